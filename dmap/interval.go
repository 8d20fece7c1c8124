package dmap

import (
	"github.com/go-dmap/dmap/internal/journal"
)

// interval is s as the journal knows it.
func (s Split) interval() journal.Interval {
	return journal.Interval{Split: s.ID, Version: s.Version, From: journal.Cursor(s.From), To: journal.Cursor(s.To)}
}

// gaps returns the parts of s that are not settled, in order.
func gaps(settled journal.IntervalSet, s Split) []Split {
	var out []Split
	for _, gap := range settled.Gaps(s.interval()) {
		part := s
		part.From, part.To = Cursor(gap.From), Cursor(gap.To)
		out = append(out, part)
	}
	return out
}

// compare orders the cursors of one split: by key, then by offset.
func (c Cursor) compare(o Cursor) int { return journal.Cursor(c).Compare(journal.Cursor(o)) }

// splitOf is the part of a split that v names.
func splitOf(v journal.Interval) Split {
	return Split{ID: v.Split, Version: v.Version, From: Cursor(v.From), To: Cursor(v.To)}
}

// nearBytes is the distance of two cursors up to which reading on costs less than a request.
const nearBytes = 64 << 10

// distance is the number of bytes or items between two cursors: the unit is that of their offsets.
func distance(a, b Cursor) int64 {
	if a.Key != b.Key {
		return 1<<63 - 1
	}
	return b.Offset - a.Offset
}

// far reports whether a reading at from should start anew at to.
func far(from, to Cursor) bool { return distance(from, to) > nearBytes }
