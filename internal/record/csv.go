package record

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"
)

// CSVOptions say how rows are written.
type CSVOptions struct {
	Delimiter byte
	MaxRecord int  // bytes of a row, without its line end
	MaxFields int  // of a row
	AnyBytes  bool // accept NUL and invalid UTF-8
}

// What can be wrong with a row.
var (
	errBareQuote  = errors.New(`a quote in a field that does not start with one`)
	errAfterQuote = errors.New(`text after the closing quote of a field`)
	errBareCR     = errors.New(`a carriage return without a line feed: lines end in LF or CRLF`)
	errUTF8       = errors.New(`invalid UTF-8`)
	errNUL        = errors.New(`a NUL byte`)
	// ErrQuote says that a quoted field never ends, so that nothing behind it can be told apart.
	ErrQuote = errors.New(`a quote is opened here and never closed`)
)

// CSV finds the rows of a stream as RFC 4180 has them. Empty lines are passed over, line ends inside quotes are kept as
// they are. After a malformed row it goes on with the next line.
//
// Rows are looked for many at once, by lookAhead. What that does not understand is parsed by parse, which knows all rules and
// says what is wrong.
type CSV struct {
	window
	CSVOptions
	index    index
	cuts     []uint32 // where in buf the fields end that are quoted all or none; nil: see fields
	cutsFrom int      // where in buf the first of them starts
	inQuotes int      // 1: the fields of cuts are quoted
	fields   []span
	escaped  []int  // which fields hold doubled quotes
	record   []byte // what the spans refer to
	text     string // record as a string, once a field was asked for as one
	fault    Fault  // of the row at hand

	askedTo int64 // offset up to which the text was looked at, many rows at once,
	textTo  int64 // and up to which it was found to be UTF-8 without NULs
}

// span is a field's place in its record.
type span struct{ start, end int }

// status is what a look at the bytes of a row found.
type status int

const (
	found     status = iota
	needMore         // the row goes on behind the bytes there are
	malformed        // see CSV.fault; the rest of the line is not looked at
)

// NewCSV reads src, whose first byte lies at offset of its object, where a row must start. sizeHint is the object's size,
// -1 if unknown.
func NewCSV(src io.Reader, offset, sizeHint int64, o CSVOptions) *CSV {
	return &CSV{window: newWindow(src, offset, sizeHint), CSVOptions: o}
}

// Len is the number of fields of the row that Next found.
func (c *CSV) Len() int {
	if c.cuts != nil {
		return len(c.cuts)
	}
	return len(c.fields)
}

// Bytes is field i of it, valid until the next call of Next.
func (c *CSV) Bytes(i int) []byte {
	f := c.span(i)
	return c.record[f.start:f.end]
}

// Text is field i of it. The fields of a row share one string.
func (c *CSV) Text(i int) string {
	if c.text == "" {
		c.text = string(c.record)
	}
	f := c.span(i)
	return c.text[f.start:f.end]
}

func (c *CSV) span(i int) span {
	if c.cuts == nil {
		return c.fields[i]
	}
	start := c.cutsFrom
	if i > 0 {
		start = int(c.cuts[i-1]) + 1
	}
	return span{start - c.cutsFrom + c.inQuotes, int(c.cuts[i]) - c.cutsFrom - c.inQuotes}
}

// Resize makes the row have n fields: drops those beyond, or adds empty ones.
func (c *CSV) Resize(n int) {
	if c.cuts != nil {
		c.fields = c.fields[:0]
		for i := range min(n, len(c.cuts)) {
			c.fields = append(c.fields, c.span(i))
		}
		c.cuts = nil
	}
	c.fields = c.fields[:min(n, len(c.fields))]
	for len(c.fields) < n {
		c.fields = append(c.fields, span{})
	}
}

// Next finds the next row. A *Fault is about this row only unless it is Fatal, and valid until the next call; io.EOF
// comes after the last row. Any other error is one of the stream, and final.
func (c *CSV) Next() error {
	if err := c.begin(); err != nil {
		return err
	}
	c.text = ""
	for {
		if found, err := c.nextIndexed(); found {
			return err
		}
		if !c.lookAhead() {
			return c.nextAlone()
		}
	}
}

// nextAlone finds the next row by itself.
func (c *CSV) nextAlone() error {
	c.cuts = nil
	if err := c.passEmptyLines(); err != nil {
		return err
	}
	c.found()
	for {
		n, st := c.parse(c.bytes(), c.ended)
		switch {
		case st == found:
			return c.finish(n)
		case st == malformed:
			if c.fault.Fatal {
				return &c.fault
			}
			c.skipLine(n)
			return &c.fault
		case c.fill(c.MaxRecord + 2):
		case c.err != nil:
			return c.err
		default:
			return c.skipLong("record bytes", c.MaxRecord)
		}
	}
}

// passEmptyLines moves to the next line that holds something.
func (c *CSV) passEmptyLines() error {
	for {
		b := c.bytes()
		switch {
		case len(b) > 0 && b[0] == '\n':
			c.take(1)
		case len(b) > 1 && b[0] == '\r' && b[1] == '\n':
			c.take(2)
		case len(b) > 1 || len(b) == 1 && b[0] != '\r':
			return nil
		case c.ended: // nothing, or one last carriage return
			c.take(len(b))
			return io.EOF
		case c.err != nil:
			return c.err
		default:
			c.fill(max(len(c.buf), 2))
		}
	}
}

// finish takes the n bytes of a complete row.
func (c *CSV) finish(n int) error {
	c.record = c.bytes()[:n]
	c.take(n)
	return c.check()
}

// check holds the row, which was taken, against the limits, and makes text of its fields.
func (c *CSV) check() error {
	n := c.Len()
	switch {
	case n > c.MaxFields:
		return c.exceeded("fields", c.MaxFields)
	case c.span(n-1).end > c.MaxRecord:
		return c.exceeded("record bytes", c.MaxRecord)
	case !c.AnyBytes && c.End() > c.textTo && !c.isText():
		return c.badBytes()
	case c.cuts == nil && len(c.escaped) > 0:
		c.Line()
		c.count() // before unescape changes the bytes
		for _, i := range c.escaped {
			c.unescape(&c.fields[i])
		}
	}
	return nil
}

// isText reports whether the row is UTF-8 without NULs. To ask for many rows at once is faster.
func (c *CSV) isText() bool {
	if c.End() > c.askedTo {
		ahead := c.buf[int(c.offset-c.base):min(c.start+maxStretch, c.end)]
		for len(ahead) > 0 && ahead[len(ahead)-1] >= utf8.RuneSelf { // a character may go on behind it
			ahead = ahead[:len(ahead)-1]
		}
		c.askedTo = c.offset + int64(len(ahead))
		if isText(ahead) {
			c.textTo = c.askedTo
		}
	}
	return c.End() <= c.textTo || isText(c.record)
}

func isText(b []byte) bool {
	if bytes.IndexByte(b, 0) >= 0 {
		return false
	}
	for len(b) >= block && isASCII((*[block]byte)(b)) {
		b = b[block:]
	}
	return utf8.Valid(b)
}

// unescape makes one quote of each two, in place.
func (c *CSV) unescape(f *span) {
	from := c.record[f.start:f.end]
	to := from[:0]
	for {
		i := bytes.IndexByte(from, '"')
		if i < 0 {
			to = append(to, from...)
			break
		}
		to = append(to, from[:i+1]...)
		from = from[i+2:]
	}
	f.end = f.start + len(to)
}

// badBytes says which field is no text.
func (c *CSV) badBytes() error {
	for i := range c.Len() {
		switch field := c.Bytes(i); {
		case !utf8.Valid(field):
			return c.wrong(i+1, errUTF8)
		case bytes.IndexByte(field, 0) >= 0:
			return c.wrong(i+1, errNUL)
		}
	}
	return c.wrong(0, errUTF8)
}

func (c *CSV) wrong(field int, err error) error {
	c.fault = Fault{Offset: c.offset, Line: c.Line(), Field: field, Err: err}
	return &c.fault
}

func (c *CSV) exceeded(limit string, most int) error {
	c.fault = Fault{Offset: c.offset, Line: c.Line(), Limit: limit, Max: int64(most)}
	return &c.fault
}
