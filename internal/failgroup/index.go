package failgroup

import (
	"cmp"
	"slices"
)

// MaxGroups is how many groups an Index keeps beside "other".
const MaxGroups = 200

// Index holds groups of failures. The zero Index is empty and ready. It is not safe for concurrent
// use.
//
// The groups are chosen as by the Space-Saving algorithm (Metwally, Agrawal, El Abbadi: Efficient
// computation of frequent and top-k elements in data streams, ICDT 2005). Where all places are
// taken, a new group replaces the one with the smallest Count + Over, whose failures move into
// "other"; its Over is how many of its own failures may be in there already. So a group with more
// than 1/200 of all failures has a place, also if it comes late. Merge keeps that bound (Agarwal,
// Cormode et al.: Mergeable summaries, PODS 2012).
//
// Up to 200 kinds of failures nothing is lost: all counts are exact, Over is 0, and merging the
// Indexes of consecutive windows in their order gives the Index of all. With more kinds the sum of
// all counts and each pair of Count and Count+Over as bounds remain exact; which of the small
// groups have places, and which samples, depends on the order of additions and merges. The table of
// key prefixes is exact up to 16 different keys a group; see Place.
type Index struct {
	groups map[string]*entry // by class and message
	list   []*entry          // the same, in any order
	other  *entry            // nil: none
	floor  int64             // at most this number of failures of a group without a place are in other

	scratch []byte // for the key of a group
}

// Add adds a failure.
func (x *Index) Add(f Failure) {
	x.scratch = appendKey(x.scratch[:0], &f)
	e := x.groups[string(x.scratch)]
	if e == nil {
		e = x.insert(string(x.scratch))
	}
	e.add(&f)
}

// insert adds an empty group, in the place of the smallest if there is no other place.
func (x *Index) insert(key string) *entry {
	var evicted *entry
	if len(x.list) >= MaxGroups {
		evicted = x.evict()
	}
	e := newEntry(evicted, key)
	e.Over = x.floor
	x.put(e)
	return e
}

func (x *Index) put(e *entry) {
	if x.groups == nil {
		x.groups = map[string]*entry{}
	}
	x.groups[e.key] = e
	x.list = append(x.list, e)
}

// evict moves the smallest group into other, and returns it: nothing refers to it any more.
func (x *Index) evict() *entry {
	smallest := 0
	for i, e := range x.list {
		if e.evictedBefore(x.list[smallest]) {
			smallest = i
		}
	}
	e := x.list[smallest]
	last := len(x.list) - 1
	x.list[smallest], x.list[last] = x.list[last], nil
	x.list = x.list[:last]
	delete(x.groups, e.key)
	x.floor = max(x.floor, e.rank())
	x.others().merge(e)
	return e
}

func (x *Index) others() *entry {
	if x.other == nil {
		x.other = &entry{Group: Group{ID: OtherID}}
	}
	return x.other
}

// Merge adds the failures of later, an Index of failures that came after those of x. It does not
// change later.
func (x *Index) Merge(later *Index) {
	for _, e := range x.list {
		if later.groups[e.key] == nil {
			e.Over += later.floor
		}
	}
	floor := x.floor
	for _, l := range later.list {
		e := x.groups[l.key]
		if e == nil {
			e = newEntry(nil, l.key)
			e.Over = floor
			x.put(e)
		}
		e.Over += l.Over
		e.merge(l)
	}
	x.floor += later.floor
	if later.other != nil {
		x.others().merge(later.other)
	}
	for len(x.list) > MaxGroups {
		x.evict()
	}
}

// Samples is the number of samples of a group.
func (x *Index) Samples(class, message string) int {
	if e := x.groups[joinKey(class, message)]; e != nil {
		return len(e.Group.Samples)
	}
	return 0
}

// Total is the number of failures.
func (x *Index) Total() (n int64) {
	if x.other != nil {
		n = x.other.Count
	}
	for _, e := range x.list {
		n += e.Count
	}
	return n
}

// Groups returns the groups, the one with the most failures first, and "other" last, if it has any
// failures. The caller owns them.
func (x *Index) Groups() []Group {
	out := make([]Group, 0, len(x.list)+1)
	for _, e := range x.list {
		out = append(out, e.copy())
	}
	slices.SortFunc(out, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), a.First.Compare(b.First), cmp.Compare(a.ID, b.ID))
	})
	if x.other != nil {
		other := x.other.copy()
		other.Over = x.floor
		out = append(out, other)
	}
	return out
}

// FromGroups is the inverse of Groups: it makes an Index of groups that Groups returned. Of more
// than MaxGroups groups the smallest are merged into "other"; groups of the same class and message
// are merged.
func FromGroups(groups []Group) *Index {
	x := &Index{}
	for i := range groups {
		g := &groups[i]
		if g.ID == OtherID {
			x.floor = max(x.floor, g.Over)
			x.others().merge(entryOf(g, ""))
			continue
		}
		l := entryOf(g, joinKey(g.Class, g.Message))
		e := x.groups[l.key]
		if e == nil {
			e = newEntry(nil, l.key)
			e.Over = g.Over
			x.put(e)
		}
		e.merge(l)
	}
	for len(x.list) > MaxGroups {
		x.evict()
	}
	return x
}
