package record

import "bytes"

// parseBackslash is parse for rows in which a backslash makes the backslash, quote or delimiter
// after it a character of the field, and a doubled quote is a quote in every field.
func (c *CSV) parseBackslash(b []byte, last bool) (int, status) {
	c.fields, c.escaped = c.fields[:0], c.escaped[:0]
	for i := 0; ; {
		var next int
		var st status
		if i < len(b) && b[i] == '"' {
			next, st = c.quotedBackslash(b, i, last)
		} else {
			next, st = c.plainBackslash(b, i, last)
		}
		if st != rowFound {
			return next, st
		}
		i = next
		switch {
		case i < len(b) && b[i] == c.Delimiter:
			i++
			if len(c.fields) > c.MaxFields {
				c.fields = c.fields[:c.MaxFields+1] // too many: count no more, but find the end of the row
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

// addField adds a field, which holds escaped characters or not.
func (c *CSV) addField(f span, escaped bool) {
	if escaped && len(c.fields) <= c.MaxFields {
		c.escaped = append(c.escaped, len(c.fields))
	}
	c.fields = append(c.fields, f)
}

// quotedBackslash is quotedField for these rows.
func (c *CSV) quotedBackslash(b []byte, open int, last bool) (int, status) {
	escaped := false
	for i := open + 1; ; {
		n := bytes.IndexAny(b[i:], `"\`)
		if n < 0 {
			return c.unclosed(open, last)
		}
		i += n
		atEnd := i+1 == len(b)
		switch {
		case atEnd && b[i] == '\\':
			return c.unclosed(open, last)
		case atEnd && !last:
			return 0, needMore
		case b[i] == '\\', !atEnd && b[i+1] == '"':
			escaped = true
			i += 2
			continue
		}
		after := b[i+1:]
		switch {
		case len(after) == 1 && after[0] == '\r' && !last:
			return 0, needMore
		case len(after) > 0 && !c.endsField(after):
			return c.syntaxFault(i+1, len(c.fields)+1, errAfterQuote)
		}
		c.addField(span{open + 1, i}, escaped)
		return i + 1, rowFound
	}
}

// plainBackslash is plainField for these rows.
func (c *CSV) plainBackslash(b []byte, start int, last bool) (int, status) {
	escaped := false
	i := start
	for ; i < len(b) && b[i] != c.Delimiter && b[i] != '\n'; i++ {
		atEnd := i+1 == len(b)
		switch b[i] {
		case '\\':
			if escaped = true; !atEnd && b[i+1] != '\n' && b[i+1] != '\r' {
				i++
			}
		case '"':
			if !atEnd && b[i+1] == '"' {
				escaped = true
				i++
				continue
			}
			if atEnd && !last {
				return 0, needMore
			}
			return c.syntaxFault(i, len(c.fields)+1, errBareQuote)
		case '\r':
			if !atEnd && b[i+1] != '\n' {
				return c.syntaxFault(i, len(c.fields)+1, errBareCR)
			}
			c.addField(span{start, i}, escaped)
			return i, rowFound
		}
	}
	if i == len(b) && !last {
		return 0, needMore
	}
	c.addField(span{start, i}, escaped)
	return i, rowFound
}

// unescapeBackslash replaces the escapes in f, in place.
func (c *CSV) unescapeBackslash(f *span) {
	from := c.record[f.start:f.end]
	to := from[:0]
	for i := 0; i < len(from); i++ {
		b := from[i]
		next := byte(0)
		if i+1 < len(from) {
			next = from[i+1]
		}
		switch {
		case b == '\\' && next != '\\' && next != '"' && next != c.Delimiter:
			continue
		case b == '\\', b == '"' && next == '"':
			i++
			b = next
		}
		to = append(to, b)
	}
	f.end = f.start + len(to)
}

// skipBackslash is skipStep for these rows.
func (c *CSV) skipBackslash(b []byte, at rowState) (int, rowState) {
	if c.skipEscaped {
		c.skipEscaped = false
		if at == inQuotes || b[0] != '\n' && b[0] != '\r' {
			return 1, at
		}
	}
	if b[0] == '\\' && at != afterQuote {
		c.skipEscaped = true
		if at == inQuotes {
			return 1, inQuotes
		}
		return 1, inPlain
	}
	switch {
	case at == inQuotes && b[0] == '"':
		return 1, afterQuote
	case at == inQuotes:
		return 1, inQuotes
	case at == inPlain && b[0] == '"':
		return 1, inPlain
	}
	n, next := c.skipStep(b[:1], at)
	return n, next
}
