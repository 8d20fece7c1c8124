package lease

import (
	"slices"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
)

// Remaining returns a function that gives the parts of a split outside of settled intervals. The
// split may be a list of items to read again.
func Remaining(settled []journal.Interval) func(dmap.Split) []dmap.Split {
	unread := dmap.Unread{All: true, Settled: splitsOf(settled)}
	return unread.Remaining()
}

func splitsOf(list []journal.Interval) (out []dmap.Split) {
	for _, v := range list {
		out = append(out, dmap.Split{ID: v.Split, Version: v.Version, From: dmap.Cursor(v.From), To: dmap.Cursor(v.To)})
	}
	return out
}

// Unread is a source of which only the settled intervals are known. Items that a redrive or a
// decision has taken are no part of it.
func Unread(settled []journal.Interval) dmap.Unread {
	own := slices.DeleteFunc(slices.Clone(settled), func(v journal.Interval) bool { return journal.IsTakenSplit(v.Split) })
	return dmap.Unread{All: true, Settled: splitsOf(own)}
}
