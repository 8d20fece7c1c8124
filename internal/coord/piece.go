package coord

import (
	"github.com/go-dmap/dmap/dmap"
)

// Piece is a part of the source that no lease has.
type Piece struct {
	Split dmap.Split `json:"split"`
	// Items is the number of items that the source does not skip, by the plan; after a lease has
	// read a part of the piece it is an estimate. 0: unknown.
	Items int64 `json:"items,omitempty"`
	// Part is the part of a listing that the piece is, if all ranges that came of a range are as
	// long: a guess. 0: the source is no listing.
	Part float64 `json:"part,omitempty"`
}

// unknown reports whether nobody knows how many items p has.
func (p Piece) unknown() bool { return p.Items == 0 }

// weight is the size of s in the state: 1 for usual splits, more for those with long keys.
func weight(s dmap.Split) int {
	return 1 + (len(s.ID)+len(s.Object)+len(s.Version)+len(s.From.Key)+len(s.To.Key)+len(s.Before))/512
}

func weights(splits []dmap.Split) (n int) {
	for _, s := range splits {
		n += weight(s)
	}
	return n
}

// joined adds b to splits. A split that continues the last one is united with it.
func joined(splits []dmap.Split, b dmap.Split) []dmap.Split {
	if len(splits) > 0 && continues(splits[len(splits)-1], b) {
		splits[len(splits)-1].To = b.To
		return splits
	}
	return append(splits, b)
}

func continues(a, b dmap.Split) bool {
	return a.ID == b.ID && a.Object == b.Object && a.Version == b.Version && b.Before == "" &&
		a.To == b.From && a.To != (dmap.Cursor{})
}

// contains reports whether inner is a part of outer.
func contains(outer, inner dmap.Split) bool {
	if outer.ID != inner.ID || before(inner.From, outer.From) {
		return false
	}
	return outer.To == (dmap.Cursor{}) || inner.To != (dmap.Cursor{}) && !before(outer.To, inner.To)
}

// overlap reports whether both splits have a position in common.
func overlap(a, b dmap.Split) bool {
	return a.ID == b.ID && startsBefore(a, b.To) && startsBefore(b, a.To)
}

func startsBefore(s dmap.Split, end dmap.Cursor) bool {
	return end == (dmap.Cursor{}) || before(s.From, end)
}

func before(a, b dmap.Cursor) bool {
	return a.Key < b.Key || a.Key == b.Key && a.Offset < b.Offset
}
