package lease

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/scrub"
)

// Bounds of Groups.
const (
	BeatFailures = 1 << 10 // bytes of JSON in a Beat
	RunFailures  = 2 << 10 // bytes of JSON of a whole run, in the state of its host

	mostGroups     = 10  // of GroupsOf, beside that of all others
	longestMessage = 200 // bytes
)

// Groups are failed items in groups, for people: the largest groups first, and the failures of
// all smaller ones last, as one group. The sum of their counts is the number of failures.
type Groups []dmap.FailureGroup

// GroupsOf returns the largest of groups, which an Index has made, in at most most bytes of JSON.
func GroupsOf(groups []failgroup.Group, most int) (out Groups) {
	var others dmap.FailureGroup
	size := 2 + groupSize(&dmap.FailureGroup{ID: failgroup.OtherID, Count: 1 << 62, First: time.Now(), Last: time.Now()})
	for i := range groups {
		g := shown(&groups[i])
		if g.ID != failgroup.OtherID && len(out) < mostGroups && size+groupSize(&g) <= most {
			size += groupSize(&g)
			out = append(out, g)
			continue
		}
		most = 0 // those that follow are smaller
		join(&others, &g)
	}
	return withOthers(out, others)
}

// shown is a group without keys.
func shown(g *failgroup.Group) dmap.FailureGroup {
	return dmap.FailureGroup{
		ID: g.ID, Class: scrub.Clip(g.Class, longestMessage), Message: scrub.Clip(g.Message, longestMessage), Count: g.Count,
		First: g.First.Truncate(time.Second), Last: g.Last.Truncate(time.Second),
	}
}

// groupSize is the bytes of a group in a JSON list.
func groupSize(g *dmap.FailureGroup) int {
	text, err := json.Marshal(g)
	if err != nil { // a time outside of years 0 to 9999
		return 1 << 30
	}
	return len(text) + 1
}

// withOthers appends the group of all others to groups, if it has failures.
func withOthers(groups Groups, others dmap.FailureGroup) Groups {
	if others.Count == 0 {
		return groups
	}
	others.ID, others.Class, others.Message = failgroup.OtherID, "", ""
	return append(groups, others)
}

// join adds the failures of from to a group.
func join(to, from *dmap.FailureGroup) {
	to.Count += from.Count
	if !from.First.IsZero() && (to.First.IsZero() || from.First.Before(to.First)) {
		to.First = from.First
	}
	if from.Last.After(to.Last) {
		to.Last = from.Last
	}
}

// SumGroups are the failures of all lists, which are of different items, in at most
// failgroup.MaxGroups groups and one of all others.
func SumGroups(lists ...Groups) (out Groups) {
	all := map[string]*dmap.FailureGroup{}
	var others dmap.FailureGroup
	for _, list := range lists {
		for i := range list {
			g := &list[i]
			if g.ID == failgroup.OtherID {
				join(&others, g)
				continue
			}
			if all[g.ID] == nil {
				all[g.ID] = &dmap.FailureGroup{ID: g.ID, Class: g.Class, Message: g.Message}
			}
			join(all[g.ID], g)
		}
	}
	for _, g := range all {
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b dmap.FailureGroup) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), a.First.Compare(b.First), cmp.Compare(a.ID, b.ID))
	})
	for i := failgroup.MaxGroups; i < len(out); i++ {
		join(&others, &out[i])
	}
	return withOthers(out[:min(len(out), failgroup.MaxGroups)], others)
}

// Total is the number of failed items.
func (f Groups) Total() (n int64) {
	for i := range f {
		n += f[i].Count
	}
	return n
}

// Valid reports whether f may come from GroupsOf.
func (f Groups) Valid() bool {
	if len(f) > mostGroups+1 {
		return false
	}
	for i := range f {
		g := &f[i]
		if g.ID == "" || len(g.ID) > longestMessage || len(g.Class) > longestMessage || len(g.Message) > longestMessage || g.Count < 0 {
			return false
		}
	}
	return true
}
