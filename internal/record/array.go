package record

import (
	"errors"
	"io"
	"math/bits"
)

// Syntax errors of the array itself. They are fatal.
var (
	errNotArray  = errors.New("not a JSON array")
	errNotClosed = errors.New("the JSON array does not end: its closing bracket is missing")
	errNoComma   = errors.New("expected a comma or the end of the JSON array")
	errLastComma = errors.New("a trailing comma before the end of the JSON array")
	errTrailing  = errors.New("text after the end of the JSON array")
)

// maxDepth limits the nesting of arrays and objects in a value. encoding/json refuses more than
// 10,000 levels, and recursive decoders need stack for each level.
const maxDepth = 1000

const (
	limitBytes = "record bytes"
	limitDepth = "nested arrays and objects"
)

// Array finds the values of one JSON array. The array may have any size: only one value is held in
// memory. Array does not validate a value: it counts brackets outside strings to find the end.
type Array struct {
	window
	max       int
	record    []byte
	opened    bool // the opening bracket was read
	needComma bool // a value was read: a comma must come before the next
	closed    bool // the closing bracket was read
}

// NewArray reads src, whose first byte is at offset of its object: 0, or the End of a value. A
// value has at most max bytes and maxDepth levels. sizeHint is the object's size, -1 if unknown.
func NewArray(src io.Reader, offset, sizeHint int64, max int) *Array {
	return &Array{window: newWindow(src, offset, sizeHint), max: max, opened: offset > 0, needComma: offset > 0}
}

// Bytes returns the value that Next found. It is valid until the next call of Next.
func (a *Array) Bytes() []byte { return a.record }

// Next finds the next value, and returns io.EOF after the array and the whitespace that follows it.
// A *Fault concerns only this value, unless it is Fatal. Any other error comes from the stream, and
// is final.
func (a *Array) Next() error {
	if err := a.checkStart(); err != nil {
		return err
	}
	if err := a.seekValue(); err != nil {
		return err
	}
	a.markRecord()
	n, limit, err := a.measureValue()
	if err != nil {
		return err
	}
	a.needComma = true
	a.record = a.bytes()[:n]
	a.advance(n)
	switch {
	case limit == limitDepth:
		return &Fault{Offset: a.offset, Line: a.Line(), Limit: limitDepth, Max: maxDepth}
	case limit == limitBytes || n > a.max:
		return &Fault{Offset: a.offset, Line: a.Line(), Limit: limitBytes, Max: int64(a.max)}
	}
	return nil
}

// seekValue advances to the first byte of the next value. It returns io.EOF if there is none.
func (a *Array) seekValue() error {
	for afterComma := false; ; { // after a comma a value must follow
		c, err := a.peekNonBlank()
		switch {
		case a.closed && err == nil:
			return a.fatal(errTrailing)
		case a.closed:
			return err
		case err == io.EOF && !a.opened:
			return a.fatal(errNotArray)
		case err == io.EOF:
			return a.fatal(errNotClosed)
		case err != nil:
			return err
		case !a.opened && c != '[':
			return a.fatal(errNotArray)
		case !a.opened:
			a.opened = true
		case c == ']' && afterComma:
			return a.fatal(errLastComma)
		case c == ']':
			a.closed = true
		case a.needComma && c != ',':
			return a.fatal(errNoComma)
		case !a.needComma:
			return nil
		default:
			a.needComma, afterComma = false, true
		}
		a.advance(1)
	}
}

// peekNonBlank skips whitespace and returns the byte after it, which stays in the window.
func (a *Array) peekNonBlank() (byte, error) {
	for {
		data := a.bytes()
		for i, c := range data {
			if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
				a.advance(i)
				return c, nil
			}
		}
		a.advance(len(data))
		if a.fill(len(a.buf)) {
			continue
		}
		if a.err != nil {
			return 0, a.err
		}
		return 0, io.EOF
	}
}

func (a *Array) fatal(err error) error {
	return &Fault{Offset: a.End(), Line: a.lineAt(a.start), Fatal: true, Err: err}
}

// measureValue returns the length of the value at start. If the value is too long, its first bytes
// are dropped, and limit names the limit.
func (a *Array) measureValue() (n int, limit string, err error) {
	var s valueScan
	for {
		more, done := s.feed(a.bytes()[n:])
		n += more
		if done {
			if s.deep {
				limit = limitDepth
			}
			return n, limit, nil
		}
		if a.fill(a.max + 1) {
			continue
		}
		switch {
		case a.err != nil:
			return 0, "", a.err
		case a.eof:
			return 0, "", &Fault{Offset: a.offset, Line: a.Line(), Fatal: true, Err: errNotClosed}
		}
		limit = limitBytes
		a.Line() // must be counted before the bytes are dropped
		a.advance(n)
		n = 0
	}
}

// valueScan finds the end of one JSON value, which may be passed in pieces.
type valueScan struct {
	depth   int
	quoted  bool // inside a string
	escaped bool // after a backslash
	scalar  bool // a number or a word
	deep    bool // nested more than maxDepth; the end is found all the same
}

// feed returns how many bytes of data belong to the value, and whether the value ends with them.
func (s *valueScan) feed(data []byte) (n int, done bool) {
	if s.depth > 0 {
		return s.feedNested(data)
	}
	for i, c := range data {
		switch {
		case s.quoted:
			if s.closesString(c) {
				return i + 1, true
			}
		case s.scalar:
			if c == ',' || c == ']' || c == '}' || c == ' ' || c == '\t' || c == '\n' || c == '\r' {
				return i, true
			}
		case c == '"':
			s.quoted = true
		case c == '{' || c == '[':
			s.depth++
			n, done = s.feedNested(data[i+1:])
			return i + 1 + n, done
		default:
			s.scalar = true
		}
	}
	return len(data), false
}

// feedNested is feed inside an array or an object. It scans whole blocks.
func (s *valueScan) feedNested(data []byte) (n int, done bool) {
	quote, slash, opening, closing := repeat8('"'), repeat8('\\'), repeat8('{'), repeat8('}')
	var rest [block]byte
	for ; n < len(data); n += block {
		b := blockAt(data, n, &rest)
		quotes, slashes := matches(b, quote), matches(b, slash)
		if s.escaped {
			quotes, slashes, s.escaped = quotes&^1, slashes&^1, false
		}
		if slashes != 0 {
			found := escapingSlashes(slashes)
			quotes &^= found << 1
			s.escaped = found>>(min(block, len(data)-n)-1) != 0
		}
		inside := prefixXor(quotes)
		if s.quoted {
			inside = ^inside
		}
		opens, closes := matchesFolded(b, opening)&^inside, matchesFolded(b, closing)&^inside
		opened, closed := bits.OnesCount64(opens), bits.OnesCount64(closes)
		if closed >= s.depth || s.depth+opened > maxDepth {
			if i := s.matchBrackets(opens, closes); i > 0 {
				return n + i, true
			}
		} else {
			s.depth += opened - closed
		}
		s.quoted = inside>>(block-1) != 0
	}
	return len(data), false
}

// matchBrackets counts the depth over the brackets of a block. It returns the length of the block
// up to and including the bracket that closes the value, and 0 if the value does not end here.
func (s *valueScan) matchBrackets(opens, closes uint64) int {
	for all := opens | closes; all != 0; all &= all - 1 {
		if opens&all&-all != 0 {
			s.depth++
			s.deep = s.deep || s.depth > maxDepth
		} else if s.depth--; s.depth == 0 {
			return lowestBit(all) + 1
		}
	}
	return 0
}

// escapingSlashes returns the backslashes that escape the following byte: every other one of a run.
func escapingSlashes(slashes uint64) (found uint64) {
	for slashes != 0 {
		one := slashes & -slashes
		found |= one
		slashes &^= one | one<<1
	}
	return found
}

// closesString reports whether c, read inside a string, ends the string.
func (s *valueScan) closesString(c byte) bool {
	switch {
	case s.escaped:
		s.escaped = false
	case c == '\\':
		s.escaped = true
	case c == '"':
		s.quoted = false
		return true
	}
	return false
}
