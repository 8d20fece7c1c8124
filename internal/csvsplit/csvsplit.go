// Package csvsplit finds where rows start in a part of a CSV object, without the bytes before the
// part. Each part is scanned under both assumptions: that it begins outside quotes, and that it
// begins inside. Once the state at the end of the previous part is known, it selects the right
// result.
//
// This works as long as quotes stand where RFC 4180 allows them. After a misplaced quote a reader
// skips to the next line, so the position of every later row depends on all bytes before it. Then
// the state is Broken.
package csvsplit

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// State is the state of the row syntax between two bytes.
type State byte

// The states. Callers need only LineStart and Broken.
const (
	LineStart  State = iota // after a line end outside quotes, or at offset 0: a row starts here
	fieldStart              // after a delimiter
	plain                   // in an unquoted field
	afterCR                 // in an unquoted field, after a carriage return in the same line
	quoted                  // inside quotes
	closed                  // after a quote that closes a field, or is the first of two
	closedCR                // after closed and a carriage return
	Broken                  // after a misplaced quote
)

// None means that a part has no row start.
const None = -1

// CSV describes the syntax of rows.
type CSV struct{ Delimiter byte }

// Part is the result of scanning some bytes.
type Part struct {
	prefix  int        // bytes up to and including the first line feed or quote; all if there is none
	outside scanResult // result from prefix on, if the part begins outside quotes
	inside  scanResult // result from the first quote on, if the part begins inside quotes
}

// scanResult is the result of scanning from some position to the end of a part.
type scanResult struct {
	end   State // state after the last byte
	first int   // first position after a line end outside quotes, before Broken; or None
}

// Scan scans bytes from anywhere in an object.
func (c CSV) Scan(b []byte) Part {
	p := Part{prefix: len(b), outside: scanResult{first: None}, inside: scanResult{quoted, None}}
	line := b
	newline := bytes.IndexByte(b, '\n')
	if newline >= 0 {
		line = b[:newline+1]
		p.prefix = len(line)
	}
	if quote := bytes.IndexByte(line, '"'); quote >= 0 {
		p.prefix = quote + 1
		p.outside = c.scanFrom(b, p.prefix, quoted)
		p.inside = c.scanFrom(b, p.prefix, closed)
		return p
	}
	if newline < 0 {
		return p
	}
	p.outside = c.scanFrom(b, p.prefix, LineStart)
	if quote := bytes.IndexByte(b[p.prefix:], '"'); quote >= 0 {
		p.inside = c.scanFrom(b, p.prefix+quote+1, closed)
	}
	return p
}

// Next evaluates part p, the result of scanning b, when the state before b is s. It returns the
// state after b and the position in b of the first row that starts after the first byte, or None.
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

// step returns the state after byte b.
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

// stepPlain is step for bytes outside quotes that do not follow a closing quote. A lone carriage
// return makes the row malformed, but matters here only if a quote follows.
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

// scanFrom scans b from position i, from quote to quote. s is LineStart, quoted or closed.
func (c CSV) scanFrom(b []byte, i int, s State) scanResult {
	first := None
	for {
		if s == quoted {
			quote := indexByte(b[i:], '"')
			if quote < 0 {
				return scanResult{quoted, first}
			}
			i += quote + 1
			s = closed
		}
		if n := c.skipToQuote(b[i:]); n > 0 && s == closed {
			if b[i] == '\n' && first == None {
				first = i + 1
			}
			i += n
			s = quoted
			continue
		}
		end := len(b)
		if quote := indexByte(b[i:], '"'); quote >= 0 {
			end = i + quote
		}
		line := b[i:end]
		if s == closed && !c.mayFollowQuote(line) {
			return scanResult{Broken, first}
		}
		if newline := bytes.LastIndexByte(line, '\n'); newline >= 0 {
			if first == None {
				first = i + bytes.IndexByte(line, '\n') + 1
			}
			line, s = line[newline+1:], LineStart
		}
		if end == len(b) {
			return scanResult{c.stateAfter(line, s), first}
		}
		if !c.mayPrecedeQuote(line, s) {
			return scanResult{Broken, first}
		}
		i, s = end+1, quoted
	}
}

// skipToQuote handles the most common bytes after a closing quote: a delimiter or line feed and an
// opening quote, or a second quote. It returns their number, and 0 for anything else.
func (c CSV) skipToQuote(b []byte) int {
	switch {
	case len(b) > 0 && b[0] == '"':
		return 1
	case len(b) > 1 && b[1] == '"' && (b[0] == c.Delimiter || b[0] == '\n'):
		return 2
	}
	return 0
}

// mayFollowQuote reports whether b, the bytes up to the next quote or the end of the part, may
// follow a closing quote.
func (c CSV) mayFollowQuote(b []byte) bool {
	return len(b) == 0 || b[0] == c.Delimiter || b[0] == '\n' || b[0] == '\r' && (len(b) == 1 || b[1] == '\n')
}

// mayPrecedeQuote reports whether an opening quote may follow line, which begins in state s and
// has neither quotes nor line feeds.
func (c CSV) mayPrecedeQuote(line []byte, s State) bool {
	if len(line) == 0 {
		return s == LineStart
	}
	return line[len(line)-1] == c.Delimiter && bytes.IndexByte(line, '\r') < 0
}

// stateAfter returns the state after line, which begins in state s and has neither quotes nor line
// feeds.
func (c CSV) stateAfter(line []byte, s State) State {
	for _, b := range line {
		s = c.step(s, b)
	}
	return s
}

// nearBytes is the distance that indexByte searches inline before it calls bytes.IndexByte: most
// quoted fields are short.
const nearBytes = 32

// indexByte is bytes.IndexByte, but faster for targets within nearBytes.
func indexByte(b []byte, target byte) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	pattern, i := ones*uint64(target), 0
	for ; i+8 <= len(b) && i < nearBytes; i += 8 {
		word := binary.LittleEndian.Uint64(b[i:]) ^ pattern // the target becomes a zero byte
		if zeros := (word - ones) &^ word & tops; zeros != 0 {
			return i + bits.TrailingZeros64(zeros)/8
		}
	}
	if at := bytes.IndexByte(b[i:], target); at >= 0 {
		return i + at
	}
	return None
}
