// Package boundary finds where rows start in a part of a CSV object without knowing what lies before it. Each part is looked
// at twice: as if it began outside quotes, and as if it began inside. Which of the two holds is known once all parts
// before it are.
//
// That works as long as quotes stand where RFC 4180 wants them. A quote that does not makes a reader go on with the next
// line, so that what follows depends on all that came before: then the state is Broken.
package boundary

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

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
		if n := c.reopened(b[i:]); n > 0 && s == closed {
			if b[i] == '\n' && first == None {
				first = i + 1
			}
			i += n
			s = quoted
			continue
		}
		end := len(b)
		if quote := find(b[i:], '"'); quote >= 0 {
			end = i + quote
		}
		line := b[i:end]
		if s == closed && !c.mayFollow(line) {
			return path{Broken, first}
		}
		if newline := bytes.LastIndexByte(line, '\n'); newline >= 0 {
			if first == None {
				first = i + bytes.IndexByte(line, '\n') + 1
			}
			line, s = line[newline+1:], LineStart
		}
		if end == len(b) {
			return path{c.over(line, s), first}
		}
		if !c.mayOpen(line, s) {
			return path{Broken, first}
		}
		i, s = end+1, quoted
	}
}

// reopened is how many bytes lie up to and including the next quote, if b, which follows one that closes, is as in most rows: a
// delimiter or a line feed and a quote, or only a quote. Else it is 0.
func (c CSV) reopened(b []byte) int {
	switch {
	case len(b) > 0 && b[0] == '"':
		return 1
	case len(b) > 1 && b[1] == '"' && (b[0] == c.Delimiter || b[0] == '\n'):
		return 2
	}
	return 0
}

// mayFollow reports whether the bytes up to the next quote, or to the end of the part, may stand behind one that closes.
func (c CSV) mayFollow(b []byte) bool {
	return len(b) == 0 || b[0] == c.Delimiter || b[0] == '\n' || b[0] == '\r' && (len(b) == 1 || b[1] == '\n')
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
const near = 32

// find is bytes.IndexByte, faster for what is near.
func find(b []byte, target byte) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	pattern, i := ones*uint64(target), 0
	for ; i+8 <= len(b) && i < near; i += 8 {
		word := binary.LittleEndian.Uint64(b[i:]) ^ pattern // where the target is, a zero
		if zeros := (word - ones) &^ word & tops; zeros != 0 {
			return i + bits.TrailingZeros64(zeros)/8
		}
	}
	if at := bytes.IndexByte(b[i:], target); at >= 0 {
		return i + at
	}
	return None
}
