// Package boundary finds where rows start in a part of a CSV object without knowing what lies before it. Each part is looked
// at twice: as if it began outside quotes, and as if it began inside. Which of the two holds is known once all parts
// before it are.
//
// That works as long as quotes stand where RFC 4180 wants them. A quote that does not makes a reader go on with the next
// line, so that what follows depends on all that came before: then the state is Broken.
package boundary

import "bytes"

// State is where in a row a position lies.
type State byte

// The states. Only LineStart and Broken mean something to others.
const (
	LineStart  State = iota // behind a line end outside quotes, or at the start of the object: a row may start here
	fieldStart              // behind a delimiter
	plain                   // in a field without quotes
	afterCR                 // the same, on a line that has a carriage return within
	quoted                  // in quotes
	closed                  // behind a quote that ends a field, or is the first of two
	closedCR                // behind that and a carriage return
	Broken                  // a quote stands where none may
)

// None is the position of a row start where there is none.
const None = -1

// CSV is how rows are written.
type CSV struct{ Delimiter byte }

// Part is what Scan found out about some bytes.
type Part struct {
	prefix  int  // bytes up to and including the first line feed or quote; all, if there is none
	outside path // from there on, if the part begins outside quotes
	inside  path // from the first quote on, if it begins inside
}

// path is how reading goes on from some position.
type path struct {
	end   State // behind the last byte
	first int   // the first position behind a line end outside quotes and before the path breaks, or None
}

// Scan looks at bytes from anywhere in an object.
func (c CSV) Scan(b []byte) Part {
	p := Part{prefix: len(b), outside: path{first: None}, inside: path{quoted, None}}
	line := b
	newline := bytes.IndexByte(b, '\n')
	if newline >= 0 {
		line = b[:newline+1]
		p.prefix = len(line)
	}
	if quote := bytes.IndexByte(line, '"'); quote >= 0 {
		p.prefix = quote + 1
		p.outside = c.walk(b, p.prefix, quoted)
		p.inside = c.walk(b, p.prefix, closed)
		return p
	}
	if newline < 0 {
		return p
	}
	p.outside = c.walk(b, p.prefix, LineStart)
	if quote := bytes.IndexByte(b[p.prefix:], '"'); quote >= 0 {
		p.inside = c.walk(b, p.prefix+quote+1, closed)
	}
	return p
}

// Next says, for the bytes b that Scan found p of, what the state is behind them if it is s before, and where the first row
// starts behind their start.
func (c CSV) Next(b []byte, p Part, s State) (end State, first int) {
	switch s {
	case Broken:
		return Broken, None
	case quoted:
		return p.inside.end, p.inside.first
	}
	for _, at := range b[:p.prefix] {
		s = c.step(s, at)
	}
	switch {
	case s == Broken || p.prefix == 0:
		return s, None
	case b[p.prefix-1] == '\n':
		return p.outside.end, p.prefix
	case b[p.prefix-1] == '"':
		return p.outside.end, p.outside.first
	}
	return s, None
}

// step is the state behind byte b.
func (c CSV) step(s State, b byte) State {
	switch s {
	case Broken:
		return Broken
	case quoted:
		if b == '"' {
			return closed
		}
		return quoted
	case closed:
		switch b {
		case '"':
			return quoted
		case c.Delimiter:
			return fieldStart
		case '\n':
			return LineStart
		case '\r':
			return closedCR
		}
		return Broken
	case closedCR:
		if b == '\n' {
			return LineStart
		}
		return Broken
	}
	return c.stepPlain(s, b)
}

// stepPlain is step outside quotes, but for what follows them. A carriage return within a line makes the row malformed: that
// matters only to quotes behind it.
func (c CSV) stepPlain(s State, b byte) State {
	switch {
	case b == '\n':
		return LineStart
	case b == '"' && (s == LineStart || s == fieldStart):
		return quoted
	case b == '"':
		return Broken
	case b == '\r' || s == afterCR:
		return afterCR
	case b == c.Delimiter:
		return fieldStart
	}
	return plain
}

// walk goes through b from i on, from quote to quote. s is LineStart, quoted or closed.
func (c CSV) walk(b []byte, i int, s State) path {
	first := None
	for {
		if s == quoted {
			quote := find(b[i:], '"')
			if quote < 0 {
				return path{quoted, first}
			}
			i += quote + 1
			s = closed
		}
		if s == closed && i+1 < len(b) && b[i+1] == '"' && b[i] == c.Delimiter { // what most quotes are followed by
			i += 2
			s = quoted
			continue
		}
		if s == closed && i < len(b) && b[i] == '"' {
			i++
			s = quoted
			continue
		}
		end := len(b)
		if quote := find(b[i:], '"'); quote >= 0 {
			end = i + quote
		}
		line, before := b[i:end], s
		if first == None {
			if newline := bytes.IndexByte(line, '\n'); newline >= 0 && c.mayFollow(line, s) {
				first = i + newline + 1
			}
		}
		if !c.mayFollow(line, s) {
			return path{Broken, first}
		}
		if newline := bytes.LastIndexByte(line, '\n'); newline >= 0 {
			line, before = line[newline+1:], LineStart
		}
		if end == len(b) {
			return path{c.over(line, before), first}
		}
		if !c.mayOpen(line, before) {
			return path{Broken, first}
		}
		i, s = end+1, quoted
	}
}

// mayFollow reports whether the bytes up to the next quote, or to the end of the part, may stand behind s.
func (c CSV) mayFollow(b []byte, s State) bool {
	if s != closed || len(b) == 0 {
		return true
	}
	return b[0] == c.Delimiter || b[0] == '\n' || b[0] == '\r' && (len(b) == 1 || b[1] == '\n')
}

// mayOpen reports whether a quote may stand behind a line that begins in state s and has neither quotes nor line ends.
func (c CSV) mayOpen(line []byte, s State) bool {
	if len(line) == 0 {
		return s == LineStart
	}
	return line[len(line)-1] == c.Delimiter && bytes.IndexByte(line, '\r') < 0
}

// over is the state behind a line that begins in state s and has neither quotes nor line ends.
func (c CSV) over(line []byte, s State) State {
	for _, b := range line {
		s = c.step(s, b)
	}
	return s
}

// near is how far find looks before it calls for help: quoted fields are mostly short.
const near = 16

// find is bytes.IndexByte, faster for what is near.
func find(b []byte, target byte) int {
	for i := range min(len(b), near) {
		if b[i] == target {
			return i
		}
	}
	if len(b) <= near {
		return None
	}
	if i := bytes.IndexByte(b[near:], target); i >= 0 {
		return near + i
	}
	return None
}
