package record

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"
)

// CSVOptions describe the syntax of rows, and limit their size.
type CSVOptions struct {
	Delimiter byte
	MaxRecord int  // bytes in a row, without its line end
	MaxFields int  // fields in a row
	AnyBytes  bool // accept NUL and invalid UTF-8
	Backslash bool // it escapes; see parseBackslash
}

// Syntax errors of a row.
var (
	errBareQuote  = errors.New(`a quote in a field that does not start with one`)
	errAfterQuote = errors.New(`text after the closing quote of a field`)
	errBareCR     = errors.New(`a carriage return without a line feed: lines end in LF or CRLF`)
	errUTF8       = errors.New(`invalid UTF-8`)
	errNUL        = errors.New(`a NUL byte`)
	// ErrQuote means that a quoted field never ends, so that no row after it can be found.
	ErrQuote = errors.New(`a quote is opened here and never closed`)
)

// CSV finds the rows of a stream in the format of RFC 4180. It skips empty lines and keeps line
// ends inside quotes unchanged. After a malformed row, reading resumes at the next line.
//
// indexAhead finds many rows at once. A row that it cannot handle goes to parse, which knows all
// rules and reports syntax errors.
type CSV struct {
	window
	CSVOptions
	index     index
	fieldEnds []uint32 // positions in buf where the fields end; nil: the row is in fields
	rowStart  int      // position in buf where the first of these fields starts
	inQuotes  int      // 1: all of these fields are quoted, 0: none is
	fields    []span
	escaped   []int  // indexes of the fields that hold doubled quotes
	unescaped bool   // checkRow has replaced the escapes in these
	raw       []byte // with Backslash: the first bytes of the row before that
	record    []byte // the bytes that the spans refer to
	text      string // record as a string, made when Text is first called
	fault     Fault  // fault of the current row

	skipEscaped bool // skipBackslash has skipped a backslash

	checkedTo int64 // offset up to which isText has checked many rows at once
	validTo   int64 // offset up to which these are UTF-8 without NULs
}

// span is the position of a field in its record.
type span struct{ start, end int }

// status is the result of parsing a row.
type status int

const (
	rowFound     status = iota
	needMore            // the row continues after the bytes in memory
	rowMalformed        // CSV.fault says why; the rest of the line was not read
)

// NewCSV reads src, whose first byte is at offset of its object and must start a row. sizeHint is
// the object's size, -1 if unknown.
func NewCSV(src io.Reader, offset, sizeHint int64, o CSVOptions) *CSV {
	return &CSV{window: newWindow(src, offset, sizeHint), CSVOptions: o}
}

// Len returns the number of fields of the row that Next found.
func (c *CSV) Len() int {
	if c.fieldEnds != nil {
		return len(c.fieldEnds)
	}
	return len(c.fields)
}

// Bytes returns field i of that row. It is valid until the next call of Next.
func (c *CSV) Bytes(i int) []byte {
	f := c.span(i)
	return c.record[f.start:f.end]
}

// Text returns field i of that row. The fields of a row share one string.
func (c *CSV) Text(i int) string {
	if c.text == "" {
		c.text = string(c.record)
	}
	f := c.span(i)
	return c.text[f.start:f.end]
}

func (c *CSV) span(i int) span {
	if c.fieldEnds == nil {
		return c.fields[i]
	}
	start := c.rowStart
	if i > 0 {
		start = int(c.fieldEnds[i-1]) + 1
	}
	return span{start - c.rowStart + c.inQuotes, int(c.fieldEnds[i]) - c.rowStart - c.inQuotes}
}

// Resize gives the row n fields: it drops the fields beyond n, or adds empty ones.
func (c *CSV) Resize(n int) {
	if c.fieldEnds != nil {
		c.fields = c.fields[:0]
		for i := range min(n, len(c.fieldEnds)) {
			c.fields = append(c.fields, c.span(i))
		}
		c.fieldEnds = nil
	}
	c.fields = c.fields[:min(n, len(c.fields))]
	for len(c.fields) < n {
		c.fields = append(c.fields, span{})
	}
}

// Next finds the next row, and returns io.EOF after the last one. A *Fault concerns only this row,
// unless it is Fatal, and is valid until the next call. Any other error comes from the stream, and
// is final.
func (c *CSV) Next() error {
	if err := c.checkStart(); err != nil {
		return err
	}
	c.text = ""
	for {
		if found, err := c.nextIndexed(); found {
			return err
		}
		if !c.indexAhead() {
			return c.nextParsed()
		}
	}
}

// nextParsed finds the next row with parse, without an index.
func (c *CSV) nextParsed() error {
	c.fieldEnds = nil
	if err := c.skipEmptyLines(); err != nil {
		return err
	}
	c.markRecord()
	for {
		n, st := c.parse(c.bytes(), c.eof)
		switch {
		case st == rowFound:
			return c.finishRow(n)
		case st == rowMalformed:
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

// skipEmptyLines advances to the next line that is not empty. It returns io.EOF if there is none.
func (c *CSV) skipEmptyLines() error {
	for {
		b := c.bytes()
		switch {
		case len(b) > 0 && b[0] == '\n':
			c.advance(1)
		case len(b) > 1 && b[0] == '\r' && b[1] == '\n':
			c.advance(2)
		case len(b) > 1 || len(b) == 1 && b[0] != '\r':
			return nil
		case c.eof: // no bytes, or a final carriage return
			c.advance(len(b))
			return io.EOF
		case c.err != nil:
			return c.err
		default:
			c.fill(max(len(c.buf), 2))
		}
	}
}

// finishRow consumes the n bytes of a complete row.
func (c *CSV) finishRow(n int) error {
	c.record = c.bytes()[:n]
	c.advance(n)
	return c.checkRow()
}

// checkRow checks the consumed row against the limits and for valid text, and replaces doubled
// quotes in its fields.
func (c *CSV) checkRow() error {
	n := c.Len()
	c.unescaped = false
	switch {
	case n > c.MaxFields:
		return c.limitFault("fields", c.MaxFields)
	case c.span(n-1).end > c.MaxRecord:
		return c.limitFault("record bytes", c.MaxRecord)
	case !c.AnyBytes && c.End() > c.validTo && !c.isText():
		return c.encodingFault()
	case c.fieldEnds == nil && len(c.escaped) > 0:
		c.unescaped = true
		c.Line()
		c.countLines() // must be counted before unescape changes the bytes
		c.unescapeFields()
	}
	return nil
}

// unescapeFields replaces the escapes in the fields of the row.
func (c *CSV) unescapeFields() {
	if !c.Backslash {
		for _, i := range c.escaped {
			c.unescape(&c.fields[i])
		}
		return
	}
	c.raw = append(c.raw[:0], c.record[:min(len(c.record), MaxRaw)]...)
	for _, i := range c.escaped {
		c.unescapeBackslash(&c.fields[i])
	}
}

// isText reports whether the row is UTF-8 without NULs. It checks the bytes of many rows at once,
// which is faster.
func (c *CSV) isText() bool {
	if c.End() > c.checkedTo {
		ahead := c.buf[int(c.offset-c.base):min(c.start+maxLookahead, c.end)]
		for len(ahead) > 0 && ahead[len(ahead)-1] >= utf8.RuneSelf { // a character may continue after ahead
			ahead = ahead[:len(ahead)-1]
		}
		c.checkedTo = c.offset + int64(len(ahead))
		if isText(ahead) {
			c.validTo = c.checkedTo
		}
	}
	return c.End() <= c.validTo || isText(c.record)
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

// unescape replaces each doubled quote in f by a single one, in place.
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

// Raw returns a copy of the first bytes of the row that Next found, or that its Fault is about,
// with the line end; nil if they are not in memory.
func (c *CSV) Raw() []byte {
	raw := c.window.Raw()
	if !c.unescaped {
		return raw
	}
	if c.Backslash {
		copy(raw, c.raw)
		return raw
	}
	fields := c.fields[:cap(c.fields)] // also those that Resize has dropped
	for _, i := range c.escaped {
		if f := fields[i]; f.start < len(raw) {
			copy(raw[f.start:], bytes.ReplaceAll(c.record[f.start:f.end], []byte{'"'}, []byte{'"', '"'}))
		}
	}
	return raw
}

// encodingFault reports the field that is not valid text.
func (c *CSV) encodingFault() error {
	for i := range c.Len() {
		switch field := c.Bytes(i); {
		case !utf8.Valid(field):
			return c.fieldFault(i+1, errUTF8)
		case bytes.IndexByte(field, 0) >= 0:
			return c.fieldFault(i+1, errNUL)
		}
	}
	return c.fieldFault(0, errUTF8)
}

func (c *CSV) fieldFault(field int, err error) error {
	c.fault = Fault{Offset: c.offset, Line: c.Line(), Field: field, Err: err}
	return &c.fault
}

func (c *CSV) limitFault(limit string, most int) error {
	c.fault = Fault{Offset: c.offset, Line: c.Line(), Limit: limit, Max: int64(most)}
	return &c.fault
}
