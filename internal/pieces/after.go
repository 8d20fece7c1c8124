package pieces

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/go-dmap/dmap/dmap"
)

// after yields the splits of a source after last, all if that is nil. The first may be a part of a
// split.
func after[T any](ctx context.Context, plan dmap.Plan[T], last *dmap.Split) iter.Seq2[dmap.Split, error] {
	if last == nil {
		return plan.Splits(ctx)
	}
	return func(yield func(dmap.Split, error) bool) {
		f := follower{last: *last}
		if plan.Resume != nil {
			if f.pass(plan.Resume(ctx, f.settled), yield) {
				return
			}
		}
		// Resume may leave out a split that has nothing after last.
		f = follower{last: *last}
		if !f.pass(plan.Splits(ctx), yield) {
			yield(dmap.Split{}, fmt.Errorf("the source no longer has split %q, after which the plan stopped", last.ID))
		}
	}
}

// follower leaves out the splits up to last.
type follower struct {
	last  dmap.Split
	asked bool // about the ID of last
	found bool // a split with the ID of last
}

// settled is for Plan.Resume, which asks about splits in source order: all before last need no
// plan, and all after it do.
func (f *follower) settled(id string) (dmap.Cursor, bool) {
	if id == f.last.ID {
		f.asked = true
		return f.last.To, true
	}
	return dmap.Cursor{}, !f.asked
}

// pass passes on the splits after last. It returns false if last was not found; then it has passed
// on nothing.
func (f *follower) pass(splits iter.Seq2[dmap.Split, error], yield func(dmap.Split, error) bool) bool {
	for s, err := range splits {
		if err != nil {
			yield(s, err)
			return true
		}
		f.found = f.found || s.ID == f.last.ID
		if !f.found {
			continue
		}
		if s.ID == f.last.ID {
			if f.last.To == (dmap.Cursor{}) || s.To != (dmap.Cursor{}) && compare(s.To, f.last.To) <= 0 {
				continue
			}
			if compare(s.From, f.last.To) < 0 {
				s.From = f.last.To
			}
		}
		if !yield(s, nil) {
			return true
		}
	}
	return f.found
}

// compare orders the cursors of a split.
func compare(a, b dmap.Cursor) int {
	return cmp.Or(strings.Compare(a.Key, b.Key), cmp.Compare(a.Offset, b.Offset))
}
