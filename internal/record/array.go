package record

import (
	"errors"
	"io"
	"math/bits"
)

// What is wrong with an array as a whole.
var (
	errNotArray  = errors.New("no JSON array")
	errNotClosed = errors.New("the JSON array does not end")
	errNoComma   = errors.New("neither a comma nor the end of the JSON array")
	errLastComma = errors.New("a comma before the end of the JSON array")
	errBehind    = errors.New("text behind the end of the JSON array")
)

// maxDepth is how deep arrays and objects of a value may lie in each other: encoding/json refuses more than 10,000, and
// decoders that recurse into them take stack for each.
const maxDepth = 1000

const (
	limitBytes = "record bytes"
	limitDepth = "nested arrays and objects"
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
// at most max bytes, and is not nested too deeply. sizeHint is the object's size, -1 if unknown.
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
	n, limit, err := a.frame()
	if err != nil {
		return err
	}
	a.comma = true
	a.record = a.bytes()[:n]
	a.take(n)
	switch {
	case limit == limitDepth:
		return &Fault{Offset: a.offset, Line: a.Line(), Limit: limitDepth, Max: maxDepth}
	case limit == limitBytes || n > a.max:
		return &Fault{Offset: a.offset, Line: a.Line(), Limit: limitBytes, Max: int64(a.max)}
	}
	return nil
}

// separate goes to the first byte of the next value. io.EOF: there is none.
func (a *Array) separate() error {
	for another := false; ; { // a comma says that there is another value
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
		case c == ']' && another:
			return a.fatal(errLastComma)
		case c == ']':
			a.closed = true
		case a.comma && c != ',':
			return a.fatal(errNoComma)
		case !a.comma:
			return nil
		default:
			a.comma, another = false, true
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
func (a *Array) frame() (n int, limit string, err error) {
	var s scan
	for {
		more, done := s.value(a.bytes()[n:])
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
		case a.ended:
			return 0, "", &Fault{Offset: a.offset, Line: a.Line(), Fatal: true, Err: errNotClosed}
		}
		limit = limitBytes
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
	deep    bool // it went deeper than is allowed; the end is found nevertheless
}

// value returns how many bytes of data belong to the value, and whether it ends with them.
func (s *scan) value(data []byte) (n int, done bool) {
	if s.depth > 0 {
		return s.nested(data)
	}
	for i, c := range data {
		switch {
		case s.quoted:
			if s.unquoted(c) {
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
			n, done = s.nested(data[i+1:])
			return i + 1 + n, done
		default:
			s.scalar = true
		}
	}
	return len(data), false
}

// nested goes on inside an array or an object: up to its end, by whole blocks.
func (s *scan) nested(data []byte) (n int, done bool) {
	quote, slash, opening, closing := eight('"'), eight('\\'), eight('{'), eight('}')
	var rest [block]byte
	for ; n < len(data); n += block {
		b := blockAt(data, n, &rest)
		quotes, slashes := where(b, quote), where(b, slash)
		if s.escaped {
			quotes, slashes, s.escaped = quotes&^1, slashes&^1, false
		}
		if slashes != 0 {
			found := escapes(slashes)
			quotes &^= found << 1
			s.escaped = found>>(min(block, len(data)-n)-1) != 0
		}
		inside := odd(quotes)
		if s.quoted {
			inside = ^inside
		}
		opens, closes := whereFolded(b, opening)&^inside, whereFolded(b, closing)&^inside
		opened, closed := bits.OnesCount64(opens), bits.OnesCount64(closes)
		if closed >= s.depth || s.depth+opened > maxDepth {
			if i := s.walk(opens, closes); i > 0 {
				return n + i, true
			}
		} else {
			s.depth += opened - closed
		}
		s.quoted = inside>>(block-1) != 0
	}
	return len(data), false
}

// walk goes from bracket to bracket of a block, and returns how many bytes there are up to the last of the value, 0 if that
// is not among them.
func (s *scan) walk(opens, closes uint64) int {
	for all := opens | closes; all != 0; all &= all - 1 {
		if opens&all&-all != 0 {
			s.depth++
			s.deep = s.deep || s.depth > maxDepth
		} else if s.depth--; s.depth == 0 {
			return lowest(all) + 1
		}
	}
	return 0
}

// escapes are those of slashes that escape what follows: every other one of a run.
func escapes(slashes uint64) (found uint64) {
	for slashes != 0 {
		one := slashes & -slashes
		found |= one
		slashes &^= one | one<<1
	}
	return found
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
