package sink

import "github.com/go-dmap/dmap/dmap"

// chunk is a buffer of encoded records, each with its newline, and the items that name them if they
// are lost.
type chunk struct {
	buf         []byte
	records     int64
	first, last dmap.Info
}

// addRecord counts a record of an item whose bytes are in buf.
func (c *chunk) addRecord(info *dmap.Info) {
	if c.records == 0 {
		c.first = *info
	}
	c.last = *info
	c.records++
}

// firstGrow is the first size of the buffer of a part; it doubles up to the part size.
const firstGrow = 64 << 10

// append adds the records of next. The buffer doubles up to size, so that small runs stay small and
// full parts do not overshoot.
func (c *chunk) append(next *chunk, size int) {
	if need := len(c.buf) + len(next.buf); need > cap(c.buf) {
		grown := make([]byte, len(c.buf), max(need, min(size, max(firstGrow, 2*cap(c.buf)))))
		copy(grown, c.buf)
		c.buf = grown
	}
	if c.records == 0 {
		c.first = next.first
	}
	c.last = next.last
	c.records += next.records
	c.buf = append(c.buf, next.buf...)
}

// reset empties c and drops a buffer that is larger than keep.
func (c *chunk) reset(keep int) {
	buf := c.buf[:0]
	if cap(buf) > keep {
		buf = nil
	}
	*c = chunk{buf: buf}
}
