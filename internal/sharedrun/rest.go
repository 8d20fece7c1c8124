package sharedrun

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/journal"
)

// rest has the parts of a source that no lease has settled, though all leases are done.
type rest struct {
	broken []*dmap.BrokenObjectError // of each object one
	unread []dmap.Split              // the parts of broken objects
	open   *OpenError                // of a part that is not broken; nil: there is none
}

// errUnread says that a part of the source has items.
var errUnread = errors.New("it has items")

// restOf reads the parts of the source that are not settled. Objects that break off have such
// parts, and listings without objects. The end of a listing is none if it has no objects, and
// others were seen before it. first ends the reading with the first part that has items.
func (m *Machine[T, R]) restOf(ctx context.Context, p *journal.Progress, first bool) (r rest, err error) {
	unsettled := unsettled(p)
	splits := m.plan.Splits(ctx)
	if m.plan.Resume != nil { // it need not read the settled part of an object
		splits = m.plan.Resume(ctx, settledStart(p))
	}
	for s, err := range splits {
		if err != nil {
			return r, err
		}
		for _, part := range unsettled(s) {
			seen := slices.ContainsFunc(p.Settled, func(v journal.Interval) bool { return v.Split == part.ID })
			if err := look(&r, m.plan.Read(ctx, part), part, seen); err != nil && r.open == nil {
				if r.open = m.sourceOpen(part, err); first {
					return r, nil
				}
			}
		}
	}
	return r, ctx.Err()
}

// look looks at the items of a part. The error says why the part is not done.
func look[T any](r *rest, items iter.Seq2[dmap.Item[T], error], part dmap.Split, seen bool) error {
	at := part.From
	for item, err := range items {
		broken, breaks := guard.As[*dmap.BrokenObjectError](err)
		if err == nil {
			broken, breaks = guard.As[*dmap.BrokenObjectError](item.Err)
		}
		switch {
		case breaks && err == nil:
			r.leave(part, at, item.Next, broken)
		case breaks:
			r.leave(part, at, part.To, broken)
			return nil
		case err != nil && (!guard.Is(err, dmap.ErrNoObjects) || !seen):
			return err
		case err != nil:
			return nil
		case !guard.Is(item.Err, dmap.ErrNoObjects):
			return errUnread
		}
		at, seen = item.Next, seen || breaks
	}
	if !seen {
		return dmap.ErrNoObjects
	}
	return nil
}

// leave records a part that breaks off.
func (r *rest) leave(part dmap.Split, from, to dmap.Cursor, broken *dmap.BrokenObjectError) {
	part.From, part.To, part.Before = from, to, broken.Hash
	r.unread = append(r.unread, part)
	if !slices.ContainsFunc(r.broken, func(b *dmap.BrokenObjectError) bool { return b.Key == broken.Key }) {
		r.broken = append(r.broken, broken)
	}
}

// settledStart returns the function that Plan.Resume asks.
func settledStart(p *journal.Progress) func(id string) (dmap.Cursor, bool) {
	settled := journal.NewIntervalSet(p.Settled)
	return func(id string) (dmap.Cursor, bool) {
		to, ok := settled.Prefix(id)
		return dmap.Cursor(to), ok
	}
}
