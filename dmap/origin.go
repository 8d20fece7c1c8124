package dmap

import (
	"github.com/go-dmap/dmap/internal/journal"
)

// origin is where the source yields an item that is read again. The item's own cursors lie in the
// list of taken items.
type origin struct {
	split       string
	version     string
	start, next Cursor
	from        *Cursor // nil: not known
	header      string
	decision    *Decision // about the item, which was held; nil: it was not
}

func originOf(t *journal.TakenItem) origin {
	return origin{t.Split, t.Version, Cursor(t.Start), Cursor(t.Next), (*Cursor)(t.From), t.Header, (*Decision)(t.Decision)}
}

// position is where to read the item again.
func (o *origin) position() Position { return Position{o.version, o.start, o.next, o.from, o.header} }
