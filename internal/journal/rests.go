package journal

import (
	"cmp"
	"slices"
	"strings"
)

// Rest is the rest of an object that had broken off when a run ended. If the content before it is
// still the same, the object may be read on although its version is another one.
type Rest struct {
	Split  string
	Object string // the key of the object
	From   Cursor // where the object broke off
	Before string // identifies the content before From, as dmap.Split.Before
}

// Rests are those of all ends of a run, in order, each once.
type Rests []Rest

// NewRests brings a list, of which it keeps the memory, in order. Of equal places the first one of
// the list counts.
func NewRests(list []Rest) Rests {
	slices.SortStableFunc(list, func(x, y Rest) int { return x.compare(y.Split, y.From) })
	return slices.CompactFunc(list, func(x, y Rest) bool { return x.compare(y.Split, y.From) == 0 })
}

func (r Rest) compare(split string, from Cursor) int {
	return cmp.Or(strings.Compare(r.Split, split), r.From.Compare(from))
}

// after returns the rests of an object that begin at or after a cursor in it.
func (r Rests) after(split string, at Cursor) Rests {
	first, _ := slices.BinarySearchFunc(r, at, func(x Rest, at Cursor) int { return x.compare(split, at) })
	end := first
	for end < len(r) && r[end].Split == split && r[end].From.within(at.Key) {
		end++
	}
	return r[first:end]
}

// First returns the first rest of the object of an item that begins at or after next, the cursor
// after the item.
func (r Rests) First(split string, next Cursor) (Rest, bool) {
	if after := r.after(split, next); len(after) > 0 {
		return after[0], true
	}
	return Rest{}, false
}

// Judgement compares the version of an object with those at which parts of it were settled. The
// zero Judgement: they are the same, or not known.
type Judgement struct {
	Was string // the version of the last settled part that has another one
	// Rest is nil if the settled part is that of another object. Otherwise it is that of this
	// object if the content before Rest is.
	Rest *Rest
	// Known says that a part after Rest was settled at the version that the object has now, so the
	// content before Rest was compared then.
	Known bool
}

// Judge judges the version of v, a part of the object with this key in a split of many, or of a
// split with one object if key is empty. Parts before a rest may have any version, as the content
// before it tells. Parts after it must have the version of v.
func (s IntervalSet) Judge(v Interval, key string, rests Rests) (j Judgement) {
	if v.Version == "" {
		return Judgement{}
	}
	list := s.near(v.Split, key)
	var others Cursor // the end of the parts of other versions
	for _, o := range list {
		if o.Version != "" && o.Version != v.Version && o.isOf(key) {
			j.Was, others = o.Version, o.To
		}
	}
	if j.Was == "" || !others.within(key) || others == (Cursor{}) { // the zero Cursor is the end
		return j
	}
	rest, ok := rests.First(v.Split, others)
	if !ok {
		return j
	}
	j.Rest = &rest
	j.Known = slices.ContainsFunc(list, func(o Interval) bool {
		return o.Version == v.Version && o.isOf(key) && endsBefore(rest.From, o.To)
	})
	return j
}

// near returns the settled intervals that may belong to the object with a key.
func (s IntervalSet) near(split, key string) []Interval {
	list := s[split]
	if key == "" {
		return list
	}
	from, to := within(list, Cursor{Key: key}, Cursor{Key: key, Offset: Between})
	return list[from:to]
}

// isOf reports whether v begins or ends in the object with a key.
func (v Interval) isOf(key string) bool { return key == "" || v.From.within(key) || v.To.within(key) }
