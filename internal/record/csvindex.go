package record

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// How far ahead rows are looked for at once: what the first level cache of a processor holds together with the index.
// After a row that had to be parsed alone it begins small again, so that many of those do not make it look at all the
// bytes behind each.
const (
	minStretch = 512
	maxStretch = 16 << 10
	maxEnds    = 4 << 10
)

// index is where the fields of some whole rows end that follow each other from the start of the window on. Positions are
// those in the buffer, so the index is worth nothing once that is filled again.
type index struct {
	ends    []uint32 // the delimiters and line feeds that end a field, ascending
	rows    []uint32 // for each row: how many of ends lie up to and including its line feed
	row     int      // how many rows have been given out
	used    int      // how many of ends they had
	stretch int      // how many bytes to look at next
	quotes  quoting
	doubled bool // there may be doubled quotes in quoted fields
	returns bool // there are carriage returns
}

// quoting says which fields of the rows in an index are quoted.
type quoting int

const (
	noneQuoted quoting = iota
	allQuoted          // and hold no quotes
	someQuoted
)

// lookAhead finds rows in the window. It is false if it finds none: where the next row is malformed, or not all here, or
// has too many fields to be indexed.
func (c *CSV) lookAhead() bool {
	x := &c.index
	if x.stretch == 0 {
		x.stretch = maxStretch
		x.ends = make([]uint32, 0, min(maxEnds, len(c.buf))+block)
	}
	data := c.bytes()
	whole := len(data) >= x.stretch
	x.ends, x.rows, x.row, x.used = x.ends[:0], x.rows[:0], 0, 0
	if data = data[:min(len(data), x.stretch)]; len(data) > 0 && data[0] == '"' {
		x.returns, x.quotes = false, allQuoted
		c.indexAllQuoted(data)
	}
	if len(x.rows) == 0 {
		c.indexAny(data)
	}
	if len(x.rows) == 0 {
		if whole {
			x.stretch = minStretch
		}
		return false
	}
	x.stretch = min(2*x.stretch, maxStretch)
	return true
}

// indexAny indexes data, which may be anything.
func (c *CSV) indexAny(data []byte) {
	x := &c.index
	x.ends = x.ends[:0]
	x.returns = bytes.IndexByte(data, '\r') >= 0
	if bytes.IndexByte(data, '"') < 0 {
		x.quotes = noneQuoted
		c.indexPlain(data)
	} else {
		x.quotes = someQuoted
		c.indexQuoted(data)
	}
}

// indexPlain indexes data, which has no quotes.
func (c *CSV) indexPlain(data []byte) {
	delimiter, feed := eight(c.Delimiter), eight('\n')
	var rest [block]byte
	for i := 0; i < len(data) && c.index.hasRoom(); i += block {
		b := blockAt(data, i, &rest)
		feeds := where(b, feed)
		c.index.note(c.start+i, where(b, delimiter)|feeds, feeds)
	}
}

// indexAllQuoted indexes the rows that data begins with whose fields are quoted all, none of them with quotes inside: as
// programs write that quote everything. Then every other quote closes a field, and what that must be followed by is two
// bytes, which are held against it when all are found.
func (c *CSV) indexAllQuoted(data []byte) {
	quote := eight('"')
	x := &c.index
	var rest [block]byte
	opening := true // the next quote is not one that closes
	for i := 0; i < len(data) && x.hasRoom(); i += block {
		quotes := where(blockAt(data, i, &rest), quote)
		if opening && quotes != 0 {
			quotes &= quotes - 1
			opening = false
		}
		at, n := uint32(c.start+i+1), len(x.ends)
		all := x.ends[:n+block/2]
		for quotes != 0 {
			all[n] = at + uint32(lowest(quotes))
			n++
			quotes &= quotes - 1
			opening = quotes == 0
			quotes &= quotes - 1
		}
		x.ends = all[:n]
	}
	c.rowsOfQuoted(c.buf[:c.start+len(data)])
}

// rowsOfQuoted finds the rows among the ends of fields that indexAllQuoted has found. It stops at the first that is none.
func (c *CSV) rowsOfQuoted(data []byte) {
	x := &c.index
	next := uint16('"')<<8 | uint16(c.Delimiter)
	for i, e := range x.ends {
		if int(e)+1 < len(data) && binary.LittleEndian.Uint16(data[e:]) == next {
			continue
		}
		after := data[min(int(e), len(data)):]
		if bytes.HasPrefix(after, []byte("\r\n")) {
			after = after[1:]
			x.returns = true
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

// indexQuoted is indexPlain for data with quotes. It stops where these, or carriage returns, are not as they must be.
func (c *CSV) indexQuoted(data []byte) {
	delimiter, feed, quote, carriage := eight(c.Delimiter), eight('\n'), eight('"'), eight('\r')
	x := &c.index
	x.doubled = false
	var rest [block]byte
	var in uint64 // all bits: the block begins inside quotes
	// The lowest bit says of the byte before the block that behind it a quote may open, that it closed a quoted field,
	// that it is a carriage return outside of quotes.
	mayOpen, closed, returned := uint64(1), uint64(0), uint64(0)
	for i := 0; i < len(data) && x.hasRoom(); i += block {
		b := blockAt(data, i, &rest)
		feeds, quotes := where(b, feed), where(b, quote)
		ends := where(b, delimiter) | feeds
		var returns uint64
		if x.returns {
			returns = where(b, carriage)
		}
		inside := odd(quotes) ^ in // from each opening quote to before its closing one
		in = uint64(int64(inside) >> (block - 1))
		opening, closing := quotes&inside, quotes&^inside
		behindClosing := closing<<1 | closed
		x.doubled = x.doubled || behindClosing&quotes != 0
		bad := behindClosing &^ (ends | quotes | returns)
		ends, feeds, returns = ends&^inside, feeds&^inside, returns&^inside
		bad |= opening &^ (ends<<1 | mayOpen | behindClosing)
		bad |= (returns<<1 | returned) &^ feeds
		if i+block > len(data) { // what lies behind data says nothing
			bad &= 1<<(len(data)-i) - 1
		}
		x.note(c.start+i, ends&below(bad), feeds&below(bad))
		if bad != 0 {
			break
		}
		mayOpen, closed, returned = ends>>(block-1), closing>>(block-1), returns>>(block-1)
	}
}

// hasRoom reports whether a block of nothing but delimiters can be added.
func (x *index) hasRoom() bool { return len(x.ends)+block <= cap(x.ends) }

// note adds the ends of fields in the block at position at of the buffer, and of rows, which are some of them.
func (x *index) note(at int, ends, feeds uint64) {
	n := len(x.ends)
	for ; feeds != 0; feeds &= feeds - 1 {
		upTo := feeds ^ (feeds - 1)
		x.rows = append(x.rows, uint32(n+bits.OnesCount64(ends&upTo)))
	}
	all := x.ends[:n+bits.OnesCount64(ends)]
	for ; ends != 0; ends &= ends - 1 {
		all[n] = uint32(at + lowest(ends))
		n++
	}
	x.ends = all
}

// nextIndexed gives out the next row of the index that is no empty line, and says whether there is one.
func (c *CSV) nextIndexed() (bool, error) {
	x := &c.index
	for x.row < len(x.rows) {
		upTo := int(x.rows[x.row])
		ends := x.ends[x.used:upTo]
		x.row, x.used = x.row+1, upTo
		start, end := c.start, int(ends[len(ends)-1])
		next := end + 1
		if x.returns && end > start && c.buf[end-1] == '\r' {
			end--
		}
		if end == start {
			c.start = next
			continue
		}
		c.found()
		c.record = c.buf[start:end]
		ends[len(ends)-1] = uint32(end)
		if !c.cut(start, ends) {
			x.row, x.stretch = len(x.rows), minStretch
			return true, c.nextAlone()
		}
		c.start = next
		return true, c.check()
	}
	return false, nil
}

// cut makes fields of a row of the index that starts at position start of the buffer. It is false if the row is not what
// it seemed to be.
func (c *CSV) cut(start int, ends []uint32) bool {
	switch x := &c.index; {
	case x.quotes == someQuoted:
		c.cutQuoted(start, ends)
		return true
	case x.quotes == allQuoted:
		c.inQuotes = 1
	case x.returns && bytes.IndexByte(c.record, '\r') >= 0:
		return false
	default:
		c.inQuotes = 0
	}
	c.cuts, c.cutsFrom = ends, start
	return true
}

// cutQuoted makes spans of the ends of fields, without their quotes.
func (c *CSV) cutQuoted(start int, ends []uint32) {
	c.cuts = nil
	c.fields, c.escaped = c.fields[:0], c.escaped[:0]
	at := 0
	for _, e := range ends {
		end := int(e) - start
		f := span{at, end}
		if at < end && c.record[at] == '"' {
			f = span{at + 1, end - 1}
			if c.index.doubled && bytes.IndexByte(c.record[f.start:f.end], '"') >= 0 {
				c.escaped = append(c.escaped, len(c.fields))
			}
		}
		c.fields = append(c.fields, f)
		at = end + 1
	}
}
