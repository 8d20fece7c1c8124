package coord

import (
	"errors"
	"slices"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
)

// check refuses a report that cannot be right.
func check(o *Open, r lease.Report) error {
	n := r.Counts
	switch {
	case negative(n):
		return errors.New("a count is negative")
	case n.Read+n.Again != n.Succeeded+n.Failed+n.Skipped+n.Held:
		return errors.New("the counts do not add up")
	case n.Read < o.Reported.Read || n.Calls < o.Reported.Calls:
		return errors.New("the counts leave out lanes")
	case r.Unfinished && len(r.Rest) > 0:
		return errors.New("an unfinished lease has no rest")
	case len(r.Rest) > max(o.Rest, len(o.Splits)):
		return errors.New("too many splits are left")
	case !movable(r.Moved):
		return errors.New("the slots that it has moved make no sense")
	}
	return checkRest(o.Splits, r.Rest)
}

// checkRest refuses splits that overlap or that the lease did not have.
func checkRest(had, rest []dmap.Split) error {
	for i, r := range rest {
		found := false
		for _, h := range had {
			found = found || contains(h, r)
		}
		if !found {
			return errors.New("the lease did not have this split")
		}
		for _, other := range rest[:i] {
			if overlap(other, r) {
				return errors.New("splits overlap")
			}
		}
	}
	return nil
}

func negative(n journal.Counts) bool {
	return min(n.Read, n.Taken, n.Succeeded, n.Failed, n.Skipped, n.Calls, n.Retries, n.Held, n.Released, n.Redriven, n.Again,
		n.Gone, n.Interrupted, n.Bytes) < 0 || !(n.Units >= 0)
}

// withoutShed returns the splits of rest that the lease still has.
func withoutShed(o *Open, rest []dmap.Split) []dmap.Split {
	if !o.Shed {
		return rest
	}
	return slices.DeleteFunc(slices.Clone(rest), func(r dmap.Split) bool {
		return !slices.ContainsFunc(o.Splits, func(s dmap.Split) bool { return overlap(s, r) })
	})
}
