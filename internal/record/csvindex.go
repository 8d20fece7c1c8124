package record

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// The number of bytes that indexAhead scans at once. The maximum fits into the first-level cache
// together with the index. After a row that had to be parsed alone the number is small again and
// then doubles: otherwise, many such rows would cost a full scan each.
const (
	minLookahead = 512
	maxLookahead = 16 << 10
	maxEnds      = 4 << 10
)

// index holds the ends of the fields of consecutive whole rows, from the start of the window.
// Positions refer to the buffer, so filling the buffer invalidates the index.
type index struct {
	ends       []uint32 // positions of the delimiters and line feeds that end a field, ascending
	rows       []uint32 // for each row, the number of ends up to and including its line feed
	nextRow    int      // index in rows of the row to return next
	usedEnds   int      // ends of the rows before it
	lookahead  int      // bytes to scan next
	quotes     quoting
	hasDoubled bool // quoted fields may hold doubled quotes
	hasCR      bool // the data has carriage returns
}

// quoting tells which fields of the rows in an index are quoted.
type quoting int

const (
	noneQuoted quoting = iota
	allQuoted          // and no field holds a quote
	someQuoted
)

// indexAhead indexes the next rows in the window. It returns false if it finds none, because the
// next row is malformed, incomplete, or has too many fields for the index.
func (c *CSV) indexAhead() bool {
	x := &c.index
	if x.lookahead == 0 {
		x.lookahead = maxLookahead
		x.ends = make([]uint32, 0, min(maxEnds, len(c.buf))+block)
	}
	data := c.bytes()
	whole := len(data) >= x.lookahead
	x.ends, x.rows, x.nextRow, x.usedEnds = x.ends[:0], x.rows[:0], 0, 0
	data = data[:min(len(data), x.lookahead)]
	if c.Backslash { // rows before the first one are the same in both dialects
		if i := bytes.IndexByte(data, '\\'); i >= 0 {
			data = data[:i]
		}
	}
	if len(data) > 0 && data[0] == '"' {
		x.hasCR, x.quotes = false, allQuoted
		c.indexAllQuoted(data)
	}
	if len(x.rows) == 0 {
		c.indexAny(data)
	}
	if len(x.rows) == 0 {
		if whole {
			x.lookahead = minLookahead
		}
		return false
	}
	x.lookahead = min(2*x.lookahead, maxLookahead)
	return true
}

// indexAny indexes data of any form.
func (c *CSV) indexAny(data []byte) {
	x := &c.index
	x.ends = x.ends[:0]
	x.hasCR = bytes.IndexByte(data, '\r') >= 0
	if bytes.IndexByte(data, '"') < 0 {
		x.quotes = noneQuoted
		c.indexUnquoted(data)
	} else {
		x.quotes = someQuoted
		c.indexQuoted(data)
	}
}

// indexUnquoted indexes data without quotes.
func (c *CSV) indexUnquoted(data []byte) {
	delimiter, feed := repeat8(c.Delimiter), repeat8('\n')
	var rest [block]byte
	for i := 0; i < len(data) && c.index.hasRoom(); i += block {
		b := blockAt(data, i, &rest)
		feeds := matches(b, feed)
		c.index.addEnds(c.start+i, matches(b, delimiter)|feeds, feeds)
	}
}

// indexAllQuoted indexes the leading rows of data in which every field is quoted and no field
// holds a quote, as written by programs that quote everything. There, every second quote closes a
// field. findQuotedRows then checks the two bytes after each closing quote.
func (c *CSV) indexAllQuoted(data []byte) {
	quote := repeat8('"')
	x := &c.index
	var rest [block]byte
	opening := true // the next quote opens a field
	for i := 0; i < len(data) && x.hasRoom(); i += block {
		quotes := matches(blockAt(data, i, &rest), quote)
		if opening && quotes != 0 {
			quotes &= quotes - 1
			opening = false
		}
		at, n := uint32(c.start+i+1), len(x.ends)
		all := x.ends[:n+block/2]
		for quotes != 0 {
			all[n] = at + uint32(lowestBit(quotes))
			n++
			quotes &= quotes - 1
			opening = quotes == 0
			quotes &= quotes - 1
		}
		x.ends = all[:n]
	}
	c.findQuotedRows(c.buf[:c.start+len(data)])
}

// findQuotedRows finds rows among the field ends that indexAllQuoted has collected. It stops at
// the first field end that is followed neither by a delimiter and a quote nor by a line end.
func (c *CSV) findQuotedRows(data []byte) {
	x := &c.index
	next := uint16('"')<<8 | uint16(c.Delimiter)
	for i, e := range x.ends {
		if int(e)+1 < len(data) && binary.LittleEndian.Uint16(data[e:]) == next {
			continue
		}
		after := data[min(int(e), len(data)):]
		if bytes.HasPrefix(after, []byte("\r\n")) {
			after = after[1:]
			x.hasCR = true
			e++
		}
		if len(after) == 0 || after[0] != '\n' {
			return
		}
		x.ends[i] = e
		x.rows = append(x.rows, uint32(i+1))
		if len(after) == 1 || after[1] != '"' {
			return
		}
	}
}

// indexQuoted is indexUnquoted for data with quotes. It stops at the first misplaced quote or
// carriage return.
func (c *CSV) indexQuoted(data []byte) {
	delimiter, feed, quote, carriage := repeat8(c.Delimiter), repeat8('\n'), repeat8('"'), repeat8('\r')
	x := &c.index
	x.hasDoubled = false
	var rest [block]byte
	var in uint64 // all bits set: the block begins inside quotes
	// Facts about the byte before the block, each in bit 0. mayOpen: a quote may open after it.
	// closed: it closed a quoted field. returned: it is a carriage return outside quotes.
	mayOpen, closed, returned := uint64(1), uint64(0), uint64(0)
	for i := 0; i < len(data) && x.hasRoom(); i += block {
		b := blockAt(data, i, &rest)
		feeds, quotes := matches(b, feed), matches(b, quote)
		ends := matches(b, delimiter) | feeds
		var returns uint64
		if x.hasCR {
			returns = matches(b, carriage)
		}
		inside := prefixXor(quotes) ^ in // from each opening quote to the byte before its closing quote
		in = uint64(int64(inside) >> (block - 1))
		opening, closing := quotes&inside, quotes&^inside
		afterClosing := closing<<1 | closed
		x.hasDoubled = x.hasDoubled || afterClosing&quotes != 0
		bad := afterClosing &^ (ends | quotes | returns)
		ends, feeds, returns = ends&^inside, feeds&^inside, returns&^inside
		bad |= opening &^ (ends<<1 | mayOpen | afterClosing)
		bad |= (returns<<1 | returned) &^ feeds
		if i+block > len(data) { // ignore the padding after data
			bad &= 1<<(len(data)-i) - 1
		}
		x.addEnds(c.start+i, ends&bitsBelow(bad), feeds&bitsBelow(bad))
		if bad != 0 {
			break
		}
		mayOpen, closed, returned = ends>>(block-1), closing>>(block-1), returns>>(block-1)
	}
}

// hasRoom reports whether x has room for a block of nothing but delimiters.
func (x *index) hasRoom() bool { return len(x.ends)+block <= cap(x.ends) }

// addEnds adds the field ends in the block at position at of the buffer. feeds is the subset of
// ends that also ends a row.
func (x *index) addEnds(at int, ends, feeds uint64) {
	n := len(x.ends)
	for ; feeds != 0; feeds &= feeds - 1 {
		upTo := feeds ^ (feeds - 1)
		x.rows = append(x.rows, uint32(n+bits.OnesCount64(ends&upTo)))
	}
	all := x.ends[:n+bits.OnesCount64(ends)]
	for ; ends != 0; ends &= ends - 1 {
		all[n] = uint32(at + lowestBit(ends))
		n++
	}
	x.ends = all
}

// nextIndexed returns the next row of the index that is not empty. The result is false if the
// index has no more rows.
func (c *CSV) nextIndexed() (bool, error) {
	x := &c.index
	for x.nextRow < len(x.rows) {
		upTo := int(x.rows[x.nextRow])
		ends := x.ends[x.usedEnds:upTo]
		x.nextRow, x.usedEnds = x.nextRow+1, upTo
		start, end := c.start, int(ends[len(ends)-1])
		next := end + 1
		if x.hasCR && end > start && c.buf[end-1] == '\r' {
			end--
		}
		if end == start {
			c.start = next
			continue
		}
		c.markRecord()
		c.record = c.buf[start:end]
		ends[len(ends)-1] = uint32(end)
		if !c.setFields(start, ends) {
			x.nextRow, x.lookahead = len(x.rows), minLookahead
			return true, c.nextParsed()
		}
		c.start = next
		return true, c.checkRow()
	}
	return false, nil
}

// setFields sets the fields of an indexed row that starts at position start of the buffer. It
// returns false if the row has a lone carriage return, which the index does not detect: parse must
// report it.
func (c *CSV) setFields(start int, ends []uint32) bool {
	switch x := &c.index; {
	case x.quotes == someQuoted:
		c.setQuotedFields(start, ends)
		return true
	case x.quotes == allQuoted:
		c.inQuotes = 1
	case x.hasCR && bytes.IndexByte(c.record, '\r') >= 0:
		return false
	default:
		c.inQuotes = 0
	}
	c.fieldEnds, c.rowStart = ends, start
	return true
}

// setQuotedFields converts field ends to spans, without the quotes.
func (c *CSV) setQuotedFields(start int, ends []uint32) {
	c.fieldEnds = nil
	c.fields, c.escaped = c.fields[:0], c.escaped[:0]
	at := 0
	for _, e := range ends {
		end := int(e) - start
		f := span{at, end}
		if at < end && c.record[at] == '"' {
			f = span{at + 1, end - 1}
			if c.index.hasDoubled && bytes.IndexByte(c.record[f.start:f.end], '"') >= 0 {
				c.escaped = append(c.escaped, len(c.fields))
			}
		}
		c.fields = append(c.fields, f)
		at = end + 1
	}
}
