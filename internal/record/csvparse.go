package record

import "bytes"

// parse finds the fields of the row that b starts with, and how many bytes it has with its line end. last says that
// nothing follows b. A row of too many fields is only counted to one beyond the limit.
func (c *CSV) parse(b []byte, last bool) (int, status) {
	c.fields, c.escaped = c.fields[:0], c.escaped[:0]
	n := bytes.IndexByte(b, '\n')
	line := b
	switch {
	case n >= 0:
		line, n = b[:n], n+1
	case !last:
		return 0, needMore
	default:
		n = len(b)
	}
	if bytes.IndexByte(line, '"') >= 0 {
		return c.parseQuoted(b, last)
	}
	return c.parsePlain(bytes.TrimSuffix(line, []byte{'\r'}), n)
}

// parsePlain splits a line without quotes; n is its length with its end.
func (c *CSV) parsePlain(line []byte, n int) (int, status) {
	if bytes.IndexByte(line, '\r') >= 0 {
		return c.malformed(0, 0, errBareCR)
	}
	fields, start, delimiter := c.fields, 0, c.Delimiter
	for i, b := range line {
		if b == delimiter {
			fields = append(fields, span{start, i})
			start = i + 1
			if len(fields) > c.MaxFields {
				break
			}
		}
	}
	c.fields = append(fields, span{start, len(line)})
	return n, found
}

// parseQuoted splits a row that has quotes, over as many lines as it takes.
func (c *CSV) parseQuoted(b []byte, last bool) (int, status) {
	for i := 0; ; {
		var next int
		var st status
		if i < len(b) && b[i] == '"' {
			next, st = c.quotedField(b, i, last)
		} else {
			next, st = c.plainField(b, i)
		}
		if st != found {
			return next, st
		}
		i = next
		switch {
		case i < len(b) && b[i] == c.Delimiter:
			i++
			if len(c.fields) > c.MaxFields {
				c.fields = c.fields[:c.MaxFields+1] // no more is held of it, but its end must be found
			}
		case i < len(b) && b[i] == '\n':
			return i + 1, found
		case i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n':
			return i + 2, found
		case !last:
			return 0, needMore
		default: // the end of the object, perhaps behind one last carriage return
			return len(b), found
		}
	}
}

// quotedField adds the field whose opening quote is b[open], and returns where its closing quote is followed by a
// delimiter, a line end or nothing.
func (c *CSV) quotedField(b []byte, open int, last bool) (int, status) {
	escaped := false
	for i := open + 1; ; i++ {
		quote := bytes.IndexByte(b[i:], '"')
		if quote < 0 {
			return c.unclosed(open, last)
		}
		i += quote + 1
		switch {
		case i < len(b) && b[i] == '"':
			escaped = true
			continue
		case i == len(b) && !last:
			return 0, needMore
		case i+1 == len(b) && b[i] == '\r' && !last:
			return 0, needMore
		case i < len(b) && !c.endsField(b[i:]):
			return c.malformed(i, len(c.fields)+1, errAfterQuote)
		}
		if escaped {
			c.escaped = append(c.escaped, len(c.fields))
		}
		c.fields = append(c.fields, span{open + 1, i - 1})
		return i, found
	}
}

// endsField reports whether rest starts with what may follow a field. A carriage return at the very end counts as a line end.
func (c *CSV) endsField(rest []byte) bool {
	return rest[0] == c.Delimiter || rest[0] == '\n' ||
		rest[0] == '\r' && (len(rest) == 1 || rest[1] == '\n')
}

// unclosed is a quote that is not closed by the bytes there are: fatal where nothing follows.
func (c *CSV) unclosed(open int, last bool) (int, status) {
	if !last {
		return 0, needMore
	}
	c.fault = Fault{Offset: c.offset + int64(open), Line: c.lineAt(c.start + open), Field: len(c.fields) + 1, Fatal: true, Err: ErrQuote}
	return 0, malformed
}

// plainField adds the field at start, which does not begin with a quote, and returns where it ends.
func (c *CSV) plainField(b []byte, start int) (int, status) {
	i := start
	for ; i < len(b) && b[i] != c.Delimiter && b[i] != '\n'; i++ {
		switch {
		case b[i] == '"':
			return c.malformed(i, len(c.fields)+1, errBareQuote)
		case b[i] == '\r' && i+1 < len(b) && b[i+1] == '\n', b[i] == '\r' && i+1 == len(b):
			c.fields = append(c.fields, span{start, i})
			return i, found
		case b[i] == '\r':
			return c.malformed(i, len(c.fields)+1, errBareCR)
		}
	}
	c.fields = append(c.fields, span{start, i})
	return i, found
}

func (c *CSV) malformed(at, field int, err error) (int, status) {
	c.fault = Fault{Offset: c.offset, Line: c.Line(), Field: field, Err: err}
	return at, malformed
}

// place is where in a row skipLong is.
type place int

const (
	fieldStart place = iota
	inPlain
	inQuotes
	afterQuote  // which either ends the field or doubles
	restOfLine  // of a malformed row
	behindEnded // the row is over
)

// skipLong drops a row that does not fit into memory, without holding it. One that ends in an open quote is fatal.
func (c *CSV) skipLong(limit string, most int) error {
	at := fieldStart
	c.Line() // before the bytes go
	var quote, quoteLine int64
	for at != behindEnded {
		b := c.bytes()
		if len(b) == 0 {
			if !c.fill(len(c.buf)) {
				break
			}
			continue
		}
		i, opened := 0, -1
		for i < len(b) && at != behindEnded {
			if at == fieldStart && b[i] == '"' {
				opened = i
			}
			var n int
			n, at = c.step(b[i:], at)
			i += n
		}
		if opened >= 0 {
			quote, quoteLine = c.End()+int64(opened), c.lineAt(c.start+opened)
		}
		c.take(i)
	}
	switch {
	case c.err != nil:
		return c.err
	case at == inQuotes:
		c.fault = Fault{Offset: quote, Line: quoteLine, Fatal: true, Err: ErrQuote}
		return &c.fault
	}
	return c.exceeded(limit, most)
}

// step says how many bytes of b to pass, at least one, and where in the row that leads.
func (c *CSV) step(b []byte, at place) (int, place) {
	switch at {
	case inQuotes:
		return pass(b, '"', inQuotes, afterQuote)
	case restOfLine:
		return pass(b, '\n', restOfLine, behindEnded)
	}
	switch first := b[0]; {
	case first == '\n':
		return 1, behindEnded
	case first == c.Delimiter:
		return 1, fieldStart
	case first == '"' && at == inPlain:
		return 1, restOfLine
	case first == '"':
		return 1, inQuotes
	case at == afterQuote:
		return 1, restOfLine
	}
	i := 1
	for i < len(b) && b[i] != c.Delimiter && b[i] != '\n' && b[i] != '"' {
		i++
	}
	return i, inPlain
}

// pass goes behind the first target in b, or behind all of b.
func pass(b []byte, target byte, here, there place) (int, place) {
	if i := bytes.IndexByte(b, target); i >= 0 {
		return i + 1, there
	}
	return len(b), here
}
