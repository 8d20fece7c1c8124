package record

import (
	"errors"
	"io"
)

// What is wrong with an array as a whole.
var (
	errNotArray  = errors.New("no JSON array")
	errNotClosed = errors.New("the JSON array does not end")
	errNoComma   = errors.New("neither a comma nor the end of the JSON array")
	errBehind    = errors.New("text behind the end of the JSON array")
)

// Array finds the values of one JSON array, of any size, without holding more than one of them. It does not check their
// syntax: it counts brackets outside of strings.
type Array struct {
	window
	max    int
	record []byte
	inside bool // the opening bracket lies behind
	comma  bool // a value was found: a comma must come before the next
	closed bool
}

// NewArray reads src, whose first byte lies at offset of its object: at its start, or at the End of a value. A value has
// at most max bytes. sizeHint is the object's size, -1 if unknown.
func NewArray(src io.Reader, offset, sizeHint int64, max int) *Array {
	return &Array{window: newWindow(src, offset, sizeHint), max: max, inside: offset > 0, comma: offset > 0}
}

// Bytes is the value that Next found, valid until the next call of Next.
func (a *Array) Bytes() []byte { return a.record }

// Next finds the next value. A *Fault is about this value only unless it is Fatal; io.EOF comes after the array and the
// blanks behind it. Any other error is one of the stream, and final.
func (a *Array) Next() error {
	if err := a.begin(); err != nil {
		return err
	}
	if err := a.separate(); err != nil {
		return err
	}
	a.found()
	n, long, err := a.frame()
	if err != nil {
		return err
	}
	a.comma = true
	a.record = a.bytes()[:n]
	if long || n > a.max {
		a.take(n)
		return &Fault{Offset: a.offset, Line: a.Line(), Limit: "record bytes", Max: int64(a.max)}
	}
	a.take(n)
	return nil
}

// separate goes to the first byte of the next value. io.EOF: there is none.
func (a *Array) separate() error {
	for {
		c, err := a.peek()
		switch {
		case a.closed && err == nil:
			return a.fatal(errBehind)
		case a.closed:
			return err
		case err == io.EOF && !a.inside:
			return a.fatal(errNotArray)
		case err == io.EOF:
			return a.fatal(errNotClosed)
		case err != nil:
			return err
		case !a.inside && c != '[':
			return a.fatal(errNotArray)
		case !a.inside:
			a.inside = true
		case c == ']':
			a.closed = true
		case a.comma && c != ',':
			return a.fatal(errNoComma)
		case !a.comma:
			return nil
		default:
			a.comma = false
		}
		a.take(1)
	}
}

// peek passes over blanks and returns the byte behind them without taking it.
func (a *Array) peek() (byte, error) {
	for {
		data := a.bytes()
		for i, c := range data {
			if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
				a.take(i)
				return c, nil
			}
		}
		a.take(len(data))
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

// frame returns how many bytes the value at start has. Of a value that is too long the beginning is dropped.
func (a *Array) frame() (n int, long bool, err error) {
	var s scan
	for {
		more, done := s.value(a.bytes()[n:])
		n += more
		if done {
			return n, long, nil
		}
		if a.fill(a.max + 1) {
			continue
		}
		switch {
		case a.err != nil:
			return 0, false, a.err
		case a.ended:
			return 0, false, &Fault{Offset: a.offset, Line: a.Line(), Fatal: true, Err: errNotClosed}
		}
		long = true
		a.Line() // before the bytes go
		a.take(n)
		n = 0
	}
}

// scan looks for the end of one JSON value, which may come in pieces.
type scan struct {
	depth   int
	quoted  bool // inside a string
	escaped bool // behind a backslash
	scalar  bool // a number or a word
}

// value returns how many bytes of data belong to the value, and whether it ends with them.
func (s *scan) value(data []byte) (n int, done bool) {
	for i, c := range data {
		switch {
		case s.quoted:
			if s.unquoted(c) && s.depth == 0 {
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
		case s.depth > 0:
			if c == '}' || c == ']' {
				s.depth--
			}
			if s.depth == 0 {
				return i + 1, true
			}
		default:
			s.scalar = true
		}
	}
	return len(data), false
}

// unquoted reports whether c, inside a string, ends it.
func (s *scan) unquoted(c byte) bool {
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
