package journal

import (
	"cmp"
	"maps"
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

// Interval names settled items of a split: those after From, up to and including the item whose
// Next is To.
type Interval struct {
	Split   string `json:"split"`             // ID of the split
	Version string `json:"version,omitempty"` // of the split; a run does not resume with another one
	From    Cursor `json:"from,omitzero"`
	To      Cursor `json:"to,omitzero"`
}

// touches reports whether next, which does not begin before v, begins within v or where v ends.
func (v Interval) touches(next Interval) bool {
	return v.Split == next.Split && (v.To == Cursor{} || next.From.Compare(v.To) <= 0)
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

// IntervalSet holds the settled intervals of each split, by split ID: in order, none of which
// touch. It grows with the gaps between settled items, not with their number.
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
func (s IntervalSet) Add(v Interval) {
	list := s[v.Split]
	// The first interval that does not end before v begins, and the first that begins after v ends.
	from, _ := slices.BinarySearchFunc(list, v.From, func(o Interval, at Cursor) int {
		if o.To == (Cursor{}) {
			return 1
		}
		return o.To.Compare(at)
	})
	to := from
	for to < len(list) && (v.To == Cursor{} || list[to].From.Compare(v.To) <= 0) {
		if list[to].From.Compare(v.From) < 0 {
			v.From = list[to].From
		}
		if endsBefore(v.To, list[to].To) {
			v.To = list[to].To
		}
		to++
	}
	s[v.Split] = slices.Replace(list, from, to, v)
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

// Version returns the version of the split at which some of it was settled, empty if that is not
// known.
func (s IntervalSet) Version(split string) string {
	if list := s[split]; len(list) > 0 {
		return list[0].Version
	}
	return ""
}

// Prefix returns the end of the interval that starts at the start of the split. ok is false if
// there is none.
func (s IntervalSet) Prefix(split string) (end Cursor, ok bool) {
	if list := s[split]; len(list) > 0 && list[0].From == (Cursor{}) {
		return list[0].To, true
	}
	return Cursor{}, false
}

// Gaps returns the parts of v that are not settled, in order.
func (s IntervalSet) Gaps(v Interval) []Interval {
	var out []Interval
	from := v.From
	for _, settled := range s[v.Split] {
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
