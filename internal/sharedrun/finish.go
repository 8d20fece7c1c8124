package sharedrun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/sink"
)

// ErrOpen says that a host has nothing more to do, but the run is open: the error names the rest.
// dmap.Map with the same RunID continues it, or another host.
var ErrOpen = errors.New("the run is open")

// Finish ends the run as the host has decided, with the tolerance that it had at its end, and
// returns the end that is stored. A run of which
// something is left that no lease could settle stays open: the error matches ErrOpen.
func (m *Machine[T, R]) Finish(ctx context.Context, era int64, end coord.End, tolerance dmap.Tolerance) (stored *dmap.Ending, err error) {
	ended, err := m.join(ctx, era, func(h *sink.Host[R]) error {
		p := h.Progress()
		out, err := m.ending(ctx, &p, end, tolerance)
		if err != nil {
			return err
		}
		stored, err = h.Finish(ctx, out)
		return err
	})
	if ended != nil {
		return ended, err
	}
	return stored, err
}

// ending is the end of a run with this progress. The error says why it stays open.
func (m *Machine[T, R]) ending(ctx context.Context, p *journal.Progress, end coord.End, tolerance dmap.Tolerance) (out dmap.Ending, err error) {
	out.Tolerance = tolerance
	out.Unread = dmap.Unread{All: true} // unless nothing is
	switch end.Why {
	case coord.Done:
		out.Stats.Reason = "succeeded"
		return out, m.judgeDone(ctx, p, &out)
	case coord.Tolerance:
		out.Stats.Reason = "tolerance"
		out.Err = &dmap.ToleranceError{
			Tolerance: tolerance, Failed: p.Counts.NowFailed(), Of: p.Counts.Succeeded + p.Counts.NowFailed(),
		}
	case coord.Canceled:
		out.Stats.Reason, out.Err = "canceled", dmap.ErrCanceled
	case coord.Budget:
		return out, fmt.Errorf("%w: %w", ErrOpen, dmap.ErrBudget)
	default:
		return out, fmt.Errorf("%w: %s: %s", ErrOpen, end.Why, end.Error)
	}
	return out, nil
}

// judgeDone looks whether anything is left of a run that its host takes for done.
func (m *Machine[T, R]) judgeDone(ctx context.Context, p *journal.Progress, out *dmap.Ending) error {
	if n := p.Counts.NowHeld(); n > 0 {
		return fmt.Errorf("%w: %w", ErrOpen, &dmap.HeldError{Held: n})
	}
	if most := m.job.Options.MaxItems; most > 0 && p.Counts.Taken >= most {
		out.Stats.Truncated = true
		return nil
	}
	if err := m.left(ctx, p); err != nil {
		return err
	}
	out.Unread = dmap.Unread{}
	return nil
}

// left returns an error if a part of the source is not settled. The end of a listing is no such
// part if it has no objects, and others were seen before it.
func (m *Machine[T, R]) left(ctx context.Context, p *journal.Progress) error {
	rest := unsettled(p)
	splits := m.plan.Splits(ctx)
	if m.plan.Resume != nil { // it need not read the settled part of an object
		splits = m.plan.Resume(ctx, settledStart(p))
	}
	for s, err := range splits {
		if err != nil {
			return err
		}
		for _, part := range rest(s) {
			seen := slices.ContainsFunc(p.Settled, func(v journal.Interval) bool { return v.Split == part.ID })
			if err := m.empty(ctx, part); err != nil || !seen {
				return fmt.Errorf("%w: %s: no lease has settled split %q from %v to %v: %w",
					ErrOpen, m.spec.Source, part.ID, part.From, part.To, cmp.Or(err, dmap.ErrNoObjects))
			}
		}
	}
	return nil
}

// errUnread says that a part of the source has items.
var errUnread = errors.New("it has items")

// empty returns why s is not empty.
func (m *Machine[T, R]) empty(ctx context.Context, s dmap.Split) error {
	for item, err := range m.plan.Read(ctx, s) {
		switch {
		case guard.Is(err, dmap.ErrNoObjects):
			return nil
		case err != nil:
			return err
		case !guard.Is(item.Err, dmap.ErrNoObjects):
			return errUnread
		}
	}
	return nil
}

// settledStart returns the function that Plan.Resume asks.
func settledStart(p *journal.Progress) func(id string) (dmap.Cursor, bool) {
	start := map[string]dmap.Cursor{}
	for _, v := range p.Settled {
		if v.From == (journal.Cursor{}) {
			start[v.Split] = dmap.Cursor(v.To)
		}
	}
	return func(id string) (dmap.Cursor, bool) {
		to, ok := start[id]
		return to, ok
	}
}
