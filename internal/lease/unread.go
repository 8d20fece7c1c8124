package lease

import (
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
)

// Unread is a source of which only the settled intervals are known. Items that a redrive or a
// decision has taken are no part of it.
func Unread(settled []journal.Interval) dmap.Unread {
	unread := dmap.Unread{All: true}
	for _, v := range settled {
		if !journal.IsTakenSplit(v.Split) {
			unread.Settled = append(unread.Settled, dmap.Split{
				ID: v.Split, Version: v.Version, From: dmap.Cursor(v.From), To: dmap.Cursor(v.To),
			})
		}
	}
	return unread
}
