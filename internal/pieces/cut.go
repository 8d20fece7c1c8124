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

// take returns the current piece, which ends at to, and begins the next.
func (c *cutter) take(to dmap.Cursor) Piece {
	p := Piece{Split: c.split, Items: c.items}
	p.Split.To = to
	c.before += c.items
	c.split.From, c.seen, c.items, c.bytes = to, 0, 0, 0
	c.split.Before = "" // it is about the content before the first piece
	return p
}
