package failgroup

import (
	"cmp"
	"slices"
	"strings"
)

// Gather says in at most n prefixes where the failures of a Group.Where lie, for people. A prefix
// is shown if more than 1/n of all failures are under it and under no longer prefix that is shown:
// these are the hierarchical heavy hitters (Cormode, Korn, Muthukrishnan, Srivastava: Finding
// hierarchical heavy hitters in data streams, VLDB 2003). The other failures are shown under the
// prefix that they share. The counts add up to that of where.
func Gather(where []Place, n int) []Place {
	total := int64(0)
	for _, l := range where {
		total += l.Count
	}
	if total == 0 || n < 1 {
		return nil
	}
	shown := heavy(where, func(count int64) bool { return float64(count)*float64(n) > float64(total) })
	if rest := unshown(where, shown); rest.Count > 0 {
		shown = append(shown, rest)
	}
	slices.SortFunc(shown, func(a, b Place) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Prefix, b.Prefix))
	})
	return shown
}

// heavy returns the prefixes that have enough failures, without those under longer ones.
func heavy(where []Place, enough func(int64) bool) (shown []Place) {
	rest := places{slices.Clone(where)}
	for len(rest.list) > 0 {
		longest := 0
		for i := range rest.list {
			if len(rest.list[i].Prefix) > len(rest.list[longest].Prefix) {
				longest = i
			}
		}
		l := rest.list[longest]
		rest.list = slices.Delete(rest.list, longest, longest+1)
		switch {
		case l.Prefix == "": // the shortest: nothing remains
		case enough(l.Count):
			shown = append(shown, l)
		default:
			rest.put(Place{parent(l.Prefix), l.Count})
		}
	}
	return shown
}

// unshown is the prefix of all failures that are under no shown one.
func unshown(where, shown []Place) (rest Place) {
	first := true
	for _, l := range where {
		if slices.ContainsFunc(shown, func(s Place) bool { return s.under(l.Prefix) }) {
			continue
		}
		rest.Count += l.Count
		if first {
			rest.Prefix, first = l.Prefix, false
		}
		for !rest.under(l.Prefix) {
			rest.Prefix = parent(rest.Prefix)
		}
	}
	return rest
}

// under reports whether a prefix or key is l itself or lies under it.
func (l *Place) under(prefix string) bool {
	return l.Prefix == "" || prefix == l.Prefix || strings.HasSuffix(l.Prefix, "/") && strings.HasPrefix(prefix, l.Prefix)
}
