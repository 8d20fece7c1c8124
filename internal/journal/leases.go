package journal

import (
	"cmp"
	"slices"
)

// LeaseRange are the leases From to To.
type LeaseRange struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// Leases is a set of numbers of leases: ranges in order, with gaps between them. It grows with the
// gaps, not with the leases.
type Leases []LeaseRange

// Add returns the union of s and the leases of other.
func (s Leases) Add(other ...LeaseRange) Leases {
	all := slices.Concat(s, other)
	slices.SortFunc(all, func(x, y LeaseRange) int { return cmp.Compare(x.From, y.From) })
	var out Leases
	for _, r := range all {
		if n := len(out); n > 0 && r.From <= out[n-1].To+1 {
			out[n-1].To = max(out[n-1].To, r.To)
			continue
		}
		out = append(out, r)
	}
	return out
}

// Has reports whether the set contains a lease.
func (s Leases) Has(lease int64) bool {
	i, found := slices.BinarySearchFunc(s, lease, func(r LeaseRange, n int64) int {
		switch {
		case r.To < n:
			return -1
		case r.From > n:
			return 1
		}
		return 0
	})
	return found && i < len(s)
}

// Low is the smallest number of a lease that the set does not contain.
func (s Leases) Low() int64 {
	if len(s) == 0 || s[0].From > 0 {
		return 0
	}
	return s[0].To + 1
}
