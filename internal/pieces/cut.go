package pieces

import "github.com/go-dmap/dmap/dmap"

// cutter gathers the items of a split into pieces. A full piece waits for the next item: without
// one, its end is that of the split.
type cutter struct {
	split  dmap.Split // From is the start of the current piece
	limits Limits
	before int64 // items of earlier pieces, not skipped

	at    dmap.Cursor // after the last item
	seen  int64       // items of the current piece
	items int64       // of them, not skipped
	bytes int64
}

// add adds an item. full says that the piece ends with it, end that the plan does.
func (c *cutter) add(next dmap.Cursor, size int64, counts bool) (full, end bool) {
	c.at = next
	c.seen++
	c.bytes += size
	if counts {
		c.items++
	}
	end = c.limits.Most > 0 && c.before+c.items >= c.limits.Most
	full = c.limits.Items > 0 && c.seen >= c.limits.Items || c.limits.Bytes > 0 && c.bytes >= c.limits.Bytes
	return full, end
}

// sampleItems is the number of items that show how many there are in a split.
const sampleItems = 256

// whole returns the number of items that s has if all are as long as the first ones; ok says that
// this was found out just now, and that they are few.
func (c *cutter) whole(s dmap.Split) (items int64, ok bool) {
	if c.limits.Whole == 0 || c.limits.Most > 0 || c.seen != sampleItems || c.split.From != s.From || s.To.Key != c.at.Key {
		return 0, false
	}
	read, length := c.at.Offset-s.From.Offset, s.To.Offset-s.From.Offset
	if s.From.Key != s.To.Key || read <= 0 || length <= 0 {
		return 0, false
	}
	times := float64(length) / float64(read)
	return max(1, int64(float64(c.items)*times)), float64(c.seen)*times <= float64(c.limits.Whole)
}

// take returns the current piece, which ends at to, and begins the next.
func (c *cutter) take(to dmap.Cursor) Piece {
	p := Piece{Split: c.split, Items: c.items}
	p.Split.To = to
	c.before += c.items
	c.split.From, c.seen, c.items, c.bytes = to, 0, 0, 0
	c.split.Before = "" // it is about the content before the first piece
	return p
}
