package journal

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
)

// Cursor is a position in a split, as in package dmap. The zero Cursor is the start of the split as
// a From, its end as a To.
type Cursor struct {
	Key    string `json:"key,omitempty"`
	Offset int64  `json:"offset,omitempty"`
}

// Compare orders the cursors of one split: by key, then by offset.
func (c Cursor) Compare(o Cursor) int {
	return cmp.Or(strings.Compare(c.Key, o.Key), cmp.Compare(c.Offset, o.Offset))
}

// within reports whether c is a position in the object with this key, in a split of many.
func (c Cursor) within(key string) bool { return c.Key == key && c.Offset != Between }

// Interval names settled items of a split: those after From, up to and including the item whose
// Next is To.
type Interval struct {
	Split   string `json:"split"`             // ID of the split
	Version string `json:"version,omitempty"` // of the split; a run does not resume with another one
	From    Cursor `json:"from,omitzero"`
	To      Cursor `json:"to,omitzero"`
}

// compareIntervals orders intervals by split and start.
func compareIntervals(x, y Interval) int {
	return cmp.Or(strings.Compare(x.Split, y.Split), x.From.Compare(y.From))
}

// Between is the Offset of a cursor between two objects of a split that holds many, after the
// object that Key names. Where an interval has both ends there, the versions of its objects do not
// matter any more.
const Between = math.MaxInt64

// joins reports whether v and next, which does not begin before v, are one interval: they overlap,
// or touch and have the same version.
func (v Interval) joins(next Interval) bool {
	if v.Split != next.Split {
		return false
	}
	order := next.From.Compare(v.To)
	return v.To == Cursor{} || order < 0 || order == 0 && v.Version == next.Version
}

// forget drops the version of an interval that ends and begins between objects.
func forget(v *Interval) {
	if v.To.Offset == Between && (v.From.Offset == Between || v.From == Cursor{}) {
		v.Version = ""
	}
}

// endsBefore reports whether the end a comes before the end b; the zero Cursor is the end of the
// split.
func endsBefore(a, b Cursor) bool {
	switch {
	case a == Cursor{}:
		return false
	case b == Cursor{}:
		return true
	}
	return a.Compare(b) < 0
}

// startsBefore reports whether the start a comes before the end b.
func startsBefore(a, b Cursor) bool { return b == Cursor{} || a.Compare(b) < 0 }

// IntervalSet holds the settled intervals of each split, by split ID: in order, none of which
// overlap, and none of the same version touch. It grows with the gaps between settled items, not
// with their number.
type IntervalSet map[string][]Interval

// NewIntervalSet returns the union of list.
func NewIntervalSet(list []Interval) IntervalSet {
	s := IntervalSet{}
	for _, v := range list {
		s.Add(v)
	}
	return s
}

// Add adds v, which may touch or overlap others.
func (s IntervalSet) Add(v Interval) { s.Union([]Interval{v}) }

// Union adds list, which is in order and has no intervals that touch. It looks at the intervals in
// the range that list covers in each split; their number is steps. grown is the number of intervals
// by which s has grown.
func (s IntervalSet) Union(list []Interval) (grown, steps int) {
	for len(list) > 0 {
		id, n := list[0].Split, 1
		for n < len(list) && list[n].Split == id {
			n++
		}
		have := s[id]
		from, to := within(have, list[0].From, list[n-1].To)
		from, to = max(0, from-1), min(len(have), to+1) // they may join those that have just become one
		s[id] = slices.Replace(have, from, to, merged(have[from:to], list[:n])...)
		grown += len(s[id]) - len(have)
		steps += n + to - from
		list = list[n:]
	}
	return grown, steps
}

// within returns the positions of the intervals of list that overlap or touch the range from..to.
func within(list []Interval, from, to Cursor) (first, end int) {
	first, _ = slices.BinarySearchFunc(list, from, func(o Interval, at Cursor) int {
		if o.To == (Cursor{}) {
			return 1
		}
		return o.To.Compare(at)
	})
	end = first
	for end < len(list) && (to == Cursor{} || list[end].From.Compare(to) <= 0) {
		end++
	}
	return first, end
}

// merged returns the union of two lists of the intervals of one split, each in order.
func merged(x, y []Interval) []Interval {
	out := make([]Interval, 0, len(x)+len(y))
	for len(x) > 0 || len(y) > 0 {
		if len(x) == 0 || len(y) > 0 && y[0].From.Compare(x[0].From) < 0 {
			x, y = y, x
		}
		out = appendInterval(out, x[0])
		x = x[1:]
	}
	return out
}

// appendInterval appends v, which does not begin before the last of list, or extends that one.
func appendInterval(list []Interval, v Interval) []Interval {
	forget(&v)
	list = append(list, v)
	for n := len(list); n > 1 && list[n-2].joins(list[n-1]); n-- {
		last := &list[n-2]
		if endsBefore(last.To, list[n-1].To) {
			last.To = list[n-1].To
		}
		forget(last)
		list = list[:n-1]
	}
	return list
}

// All returns every interval, by split and in order.
func (s IntervalSet) All() []Interval {
	var out []Interval
	for _, id := range slices.Sorted(maps.Keys(s)) {
		out = append(out, s[id]...)
	}
	return out
}

// Has reports whether all of v is settled.
func (s IntervalSet) Has(v Interval) bool { return len(s.Gaps(v)) == 0 }

// Prefix returns the end of the settled items at the start of the split, which may have several
// versions. ok is false if there are none.
func (s IntervalSet) Prefix(split string) (end Cursor, ok bool) {
	for _, v := range s[split] {
		if v.From != end {
			break
		}
		if end, ok = v.To, true; end == (Cursor{}) {
			break
		}
	}
	return end, ok
}

// Gaps returns the parts of v that are not settled, in order.
func (s IntervalSet) Gaps(v Interval) []Interval {
	var out []Interval
	from := v.From
	list := s[v.Split]
	first, _ := slices.BinarySearchFunc(list, v.From, func(o Interval, from Cursor) int {
		if o.To == (Cursor{}) || o.To.Compare(from) > 0 {
			return 1
		}
		return -1
	})
	for _, settled := range list[first:] {
		if v.To != (Cursor{}) && settled.From.Compare(v.To) >= 0 {
			break
		}
		if from.Compare(settled.From) < 0 {
			out = append(out, Interval{v.Split, v.Version, from, settled.From})
		}
		if settled.To == (Cursor{}) {
			return out
		}
		if from.Compare(settled.To) < 0 {
			from = settled.To
		}
	}
	if v.To == (Cursor{}) || from.Compare(v.To) < 0 {
		out = append(out, Interval{v.Split, v.Version, from, v.To})
	}
	return out
}
