package record

import "bytes"

// parse finds the fields of the first row of b, and returns the row's length with its line end.
// last tells that nothing follows b. Fields beyond MaxFields+1 are not collected.
func (c *CSV) parse(b []byte, last bool) (int, status) {
	if c.Backslash {
		return c.parseBackslash(b, last)
	}
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

// parsePlain splits a line without quotes. n is its length with its line end.
func (c *CSV) parsePlain(line []byte, n int) (int, status) {
	if bytes.IndexByte(line, '\r') >= 0 {
		return c.syntaxFault(0, 0, errBareCR)
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
	return n, rowFound
}

// parseQuoted splits a row with quotes, which may span lines.
func (c *CSV) parseQuoted(b []byte, last bool) (int, status) {
	for i := 0; ; {
		var next int
		var st status
		if i < len(b) && b[i] == '"' {
			next, st = c.quotedField(b, i, last)
		} else {
			next, st = c.plainField(b, i)
		}
		if st != rowFound {
			return next, st
		}
		i = next
		switch {
		case i < len(b) && b[i] == c.Delimiter:
			i++
			if len(c.fields) > c.MaxFields {
				c.fields = c.fields[:c.MaxFields+1] // too many: count no more fields, but find the end of the row
			}
		case i < len(b) && b[i] == '\n':
			return i + 1, rowFound
		case i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n':
			return i + 2, rowFound
		case !last:
			return 0, needMore
		default: // the end of the object, perhaps after a final carriage return
			return len(b), rowFound
		}
	}
}

// quotedField adds the field whose opening quote is b[open]. It returns the position after the
// closing quote, where a delimiter, a line end or the end of b must follow.
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
			return c.syntaxFault(i, len(c.fields)+1, errAfterQuote)
		}
		if escaped {
			c.escaped = append(c.escaped, len(c.fields))
		}
		c.fields = append(c.fields, span{open + 1, i - 1})
		return i, rowFound
	}
}

// endsField reports whether rest starts with a delimiter or a line end. A carriage return as the
// last byte counts as a line end.
func (c *CSV) endsField(rest []byte) bool {
	return rest[0] == c.Delimiter || rest[0] == '\n' ||
		rest[0] == '\r' && (len(rest) == 1 || rest[1] == '\n')
}

// unclosed handles a quote that no byte of b closes. It is fatal at the end of the object.
func (c *CSV) unclosed(open int, last bool) (int, status) {
	if !last {
		return 0, needMore
	}
	c.fault = Fault{Offset: c.offset + int64(open), Line: c.lineAt(c.start + open), Field: len(c.fields) + 1, Fatal: true, Err: ErrQuote}
	return 0, rowMalformed
}

// plainField adds the field at start, which does not begin with a quote, and returns the position
// of its end.
func (c *CSV) plainField(b []byte, start int) (int, status) {
	i := start
	for ; i < len(b) && b[i] != c.Delimiter && b[i] != '\n'; i++ {
		switch {
		case b[i] == '"':
			return c.syntaxFault(i, len(c.fields)+1, errBareQuote)
		case b[i] == '\r' && i+1 < len(b) && b[i+1] == '\n', b[i] == '\r' && i+1 == len(b):
			c.fields = append(c.fields, span{start, i})
			return i, rowFound
		case b[i] == '\r':
			return c.syntaxFault(i, len(c.fields)+1, errBareCR)
		}
	}
	c.fields = append(c.fields, span{start, i})
	return i, rowFound
}

func (c *CSV) syntaxFault(at, field int, err error) (int, status) {
	c.fault = Fault{Offset: c.offset, Line: c.Line(), Field: field, Err: err}
	return at, rowMalformed
}

// rowState is the position of skipLong within the syntax of a row.
type rowState int

const (
	fieldStart rowState = iota
	inPlain
	inQuotes
	afterQuote // a quote that either closes the field or is the first of two
	restOfLine // after a syntax error
	rowEnded
)

// skipLong drops a row that does not fit into memory, piece by piece. A row that ends inside an
// open quote is fatal.
func (c *CSV) skipLong(limit string, most int) error {
	at := fieldStart
	step := c.skipStep
	if c.skipEscaped = false; c.Backslash {
		step = c.skipBackslash
	}
	c.Line() // must be counted before the bytes are dropped
	var quote, quoteLine int64
	for at != rowEnded {
		b := c.bytes()
		if len(b) == 0 {
			if !c.fill(len(c.buf)) {
				break
			}
			continue
		}
		i, opened := 0, -1
		for i < len(b) && at != rowEnded {
			if at == fieldStart && b[i] == '"' {
				opened = i
			}
			var n int
			n, at = step(b[i:], at)
			i += n
		}
		if opened >= 0 {
			quote, quoteLine = c.End()+int64(opened), c.lineAt(c.start+opened)
		}
		c.advance(i)
	}
	switch {
	case c.err != nil:
		return c.err
	case at == inQuotes:
		c.fault = Fault{Offset: quote, Line: quoteLine, Fatal: true, Err: ErrQuote}
		return &c.fault
	}
	return c.limitFault(limit, most)
}

// skipStep returns the number of bytes of b to skip, at least one, and the state after them.
func (c *CSV) skipStep(b []byte, at rowState) (int, rowState) {
	switch at {
	case inQuotes:
		return skipPast(b, '"', inQuotes, afterQuote)
	case restOfLine:
		return skipPast(b, '\n', restOfLine, rowEnded)
	}
	switch first := b[0]; {
	case first == '\n':
		return 1, rowEnded
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

// skipPast skips to the byte after the first target in b, or to the end of b.
func skipPast(b []byte, target byte, here, there rowState) (int, rowState) {
	if i := bytes.IndexByte(b, target); i >= 0 {
		return i + 1, there
	}
	return len(b), here
}
