package dmap

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Interval is a stretch of a split that is settled: the items after From up to and including the one whose Next is To.
// The zero To is the end of the split.
type Interval struct {
	Split   string `json:"split"`             // Split.ID
	Version string `json:"version,omitempty"` // Split.Version: a run does not go on with another
	From    Cursor `json:"from,omitzero"`
	To      Cursor `json:"to,omitzero"`
}

// compare orders the cursors of one split: by key, then by offset.
func (c Cursor) compare(o Cursor) int {
	return cmp.Or(strings.Compare(c.Key, o.Key), cmp.Compare(c.Offset, o.Offset))
}

// endBefore says that the end a comes before the end b, where the zero Cursor is the end of the split.
func endBefore(a, b Cursor) bool {
	switch {
	case a == Cursor{}:
		return false
	case b == Cursor{}:
		return true
	}
	return a.compare(b) < 0
}

// coverage is what is settled of each split, by its ID: intervals in order that do not touch. Intervals that meet are
// merged, so it grows with the gaps, not with the items.
type coverage map[string][]Interval

func coverageOf(list []Interval) coverage {
	c := coverage{}
	for _, v := range list {
		c.add(v)
	}
	return c
}

// add adds v, which may touch or overlap others.
func (c coverage) add(v Interval) {
	list := c[v.Split]
	// The first interval that does not end before v begins, and the first that begins after v ends.
	from, _ := slices.BinarySearchFunc(list, v.From, func(o Interval, at Cursor) int {
		if o.To == (Cursor{}) {
			return 1
		}
		return o.To.compare(at)
	})
	to := from
	for to < len(list) && (v.To == Cursor{} || list[to].From.compare(v.To) <= 0) {
		if list[to].From.compare(v.From) < 0 {
			v.From = list[to].From
		}
		if endBefore(v.To, list[to].To) {
			v.To = list[to].To
		}
		to++
	}
	c[v.Split] = slices.Replace(list, from, to, v)
}

// all returns every interval, by split and in order.
func (c coverage) all() []Interval {
	var out []Interval
	for _, id := range slices.Sorted(maps.Keys(c)) {
		out = append(out, c[id]...)
	}
	return out
}

// differs returns the version that was covered in part, if that of s is another.
func (c coverage) differs(s Split) (version string, yes bool) {
	list := c[s.ID]
	if len(list) == 0 || s.Version == "" {
		return "", false
	}
	version = list[0].Version
	return version, version != "" && version != s.Version
}

// upTo returns the end of the interval that starts at the beginning of the split. ok is false if there is none.
func (c coverage) upTo(id string) (at Cursor, ok bool) {
	if list := c[id]; len(list) > 0 && list[0].From == (Cursor{}) {
		return list[0].To, true
	}
	return Cursor{}, false
}

// rest returns what of s is not covered, as splits of the same ID, in order.
func (c coverage) rest(s Split) []Split {
	var out []Split
	from := s.From
	for _, v := range c[s.ID] {
		if s.To != (Cursor{}) && v.From.compare(s.To) >= 0 {
			break
		}
		if from.compare(v.From) < 0 {
			piece := s
			piece.From, piece.To = from, v.From
			out = append(out, piece)
		}
		if v.To == (Cursor{}) {
			return out
		}
		if from.compare(v.To) < 0 {
			from = v.To
		}
	}
	if s.To == (Cursor{}) || from.compare(s.To) < 0 {
		piece := s
		piece.From = from
		out = append(out, piece)
	}
	return out
}

// stretch collects intervals as they come, in any order, and merges them now and then: a window of many calls at once has as
// many gaps, and to keep it tidy at every step would cost more than the calls.
type stretch struct {
	list []Interval
	tidy int // length after the last merge
}

// untidy is how much a stretch grows before it is merged for the first time.
const untidy = 4096

func (s *stretch) add(list ...Interval) {
	s.list = append(s.list, list...)
	if len(s.list) >= 2*s.tidy+untidy {
		s.merge()
	}
}

// take empties the stretch and returns what it held, merged: the few intervals that are left, not the space of all that came.
func (s *stretch) take() []Interval {
	s.merge()
	list := slices.Clone(s.list)
	clear(s.list)
	s.list, s.tidy = s.list[:0], 0
	return list
}

// merge leaves s.list in order, by split, without intervals that touch.
func (s *stretch) merge() {
	slices.SortFunc(s.list, func(a, b Interval) int { return cmp.Or(strings.Compare(a.Split, b.Split), a.From.compare(b.From)) })
	out := s.list[:0]
	for _, v := range s.list {
		if n := len(out); n > 0 && out[n-1].reaches(v) {
			if endBefore(out[n-1].To, v.To) {
				out[n-1].To = v.To
			}
			continue
		}
		out = append(out, v)
	}
	clear(s.list[len(out):])
	s.list, s.tidy = out, len(out)
}

// reaches says whether next, which does not begin before v, begins within v or where it ends.
func (v Interval) reaches(next Interval) bool {
	return v.Split == next.Split && (v.To == Cursor{} || next.From.compare(v.To) <= 0)
}
