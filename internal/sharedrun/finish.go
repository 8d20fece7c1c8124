package sharedrun

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/tolerance"
	"github.com/go-dmap/dmap/sink"
)

// Finish ends the run as the host has decided, with the tolerance that it had at its end, and
// returns the end that is stored. A run of which something is left that no lease could settle stays
// open, and says so in its records: the error is an *OpenError.
func (m *Machine[T, R]) Finish(ctx context.Context, era int64, end coord.End, limits dmap.Tolerance) (stored *dmap.Ending, err error) {
	ended, err := m.join(ctx, era, func(h *sink.Host[R]) error {
		p := h.Progress()
		out, open, err := m.ending(ctx, &p, end, limits)
		out.Stats.Elapsed = end.Elapsed
		if again := p.Redrive; again != nil && again.Done { // nothing else is left of the source
			out.Unread = dmap.Unread{}
		}
		if err == nil && open != nil {
			err = open
			if open.Reason != "" {
				err = leave(ctx, h, open, end.Elapsed)
			}
		}
		if err != nil {
			return err
		}
		if stored, err = h.Finish(ctx, out); err == nil && stored.Stats.Reason == out.Stats.Reason {
			stored.Err = out.Err // without the words for an end that was there before
		}
		return err
	})
	if ended != nil {
		return ended, err
	}
	return stored, err
}

// leave leaves the run open.
func leave[R any](ctx context.Context, h *sink.Host[R], open *OpenError, elapsed time.Duration) error {
	if err := h.Leave(ctx, open.Reason, open, elapsed); err != nil {
		return err
	}
	return open
}

// ending is the end of a run with this progress, or why it stays open.
func (m *Machine[T, R]) ending(ctx context.Context, p *journal.Progress, end coord.End, limits dmap.Tolerance) (out dmap.Ending, open *OpenError, err error) {
	out.Tolerance = limits
	out.Unread = dmap.Unread{All: true} // unless nothing is
	switch end.Why {
	case coord.Done:
		open, err = m.judgeDone(ctx, p, &out)
	case coord.Tolerance:
		failed, of := judged(p)
		out.Stats.Reason, out.Err = "tolerance", &dmap.ToleranceError{Tolerance: limits, Failed: failed, Of: of}
		if waiting(p) == "" {
			out.Err = errors.Join(out.Err, trialEnd(p))
		}
	case coord.Canceled:
		out.Stats.Reason, out.Err = "canceled", dmap.ErrCanceled
	case coord.Enough:
		err = m.judgeEnough(ctx, p, &out)
	case coord.Budget:
		open = &OpenError{Reason: "budget", Spent: end.Spent}
		if end.Spent.Total {
			open.Reason = "total budget"
		}
	case coord.Suspended:
		open = &OpenError{Reason: "suspended"}
	default:
		open = &OpenError{Text: string(end.Why) + ": " + end.Error}
	}
	return out, open, err
}

// judgeDone looks whether anything is left of a run that its host takes for done, as dmap.Map does
// at the end of a source.
func (m *Machine[T, R]) judgeDone(ctx context.Context, p *journal.Progress, out *dmap.Ending) (*OpenError, error) {
	held := p.Counts.NowHeld()
	if left := waiting(p); left != "" {
		return &OpenError{Reason: "source", Text: fmt.Sprintf("no lease has settled all items of the list %q", left)}, nil
	}
	if !m.reads(p) {
		m.judgeTaken(p, out)
		if out.Err != nil {
			return nil, nil
		}
		return heldOpen(held), nil
	}
	r, err := m.restOf(ctx, p, false)
	if err != nil {
		return nil, err
	}
	m.judgeBroken(r, p, out)
	switch {
	case out.Err != nil:
		return nil, nil
	case r.open != nil:
		return r.open, nil
	}
	return heldOpen(held), nil
}

// judgeTaken ends a run that has nothing to read of its source.
func (m *Machine[T, R]) judgeTaken(p *journal.Progress, out *dmap.Ending) {
	out.Stats.Reason, out.Unread = "succeeded", dmap.Unread{}
	if most := m.job.Options.MaxItems; most > 0 && p.Counts.Taken >= most {
		out.Stats.Reason, out.Stats.Truncated = "max items", true
	}
	if err := trialEnd(p); err != nil {
		out.Stats.Reason, out.Err = "trial", err
	}
}

// trialEnd is the error of a trial after which other items are still pending or unread.
func trialEnd(p *journal.Progress) error {
	if again := p.Redrive; again == nil || !again.Trial || !again.Unfinished {
		return nil
	}
	return fmt.Errorf("%w: the trial is over, other items are still pending or unread: redrive the run without a Limit", dmap.ErrEnded)
}

// judgeEnough ends a run with enough successes. The rest of the source is nothing to redo, unless
// too many of the settled items have failed.
func (m *Machine[T, R]) judgeEnough(ctx context.Context, p *journal.Progress, out *dmap.Ending) error {
	t := out.Tolerance
	failed, of := judged(p)
	if limits := (tolerance.Limits{Count: t.Count, Percentage: t.Percentage, MinItems: t.MinItems}); limits.Exceeded(failed, of, true) {
		out.Stats.Reason, out.Err = "tolerance", &dmap.ToleranceError{Tolerance: t, Failed: failed, Of: of}
		return nil
	}
	out.Stats.Reason, out.Unread = "enough", dmap.Unread{}
	if out.Stats.Truncated = !m.reads(p); out.Stats.Truncated { // MaxItems has ended the reading
		return nil
	}
	r, err := m.restOf(ctx, p, true)
	if err != nil {
		return err
	}
	if out.Stats.Truncated = r.open != nil; out.Stats.Truncated {
		return nil
	}
	if m.judgeBroken(r, p, out); out.Err == nil {
		out.Stats.Reason = "enough"
	}
	return nil
}

// waiting is the name of a list of which items are not settled; empty: there is none.
func waiting(p *journal.Progress) string {
	settled := journal.NewIntervalSet(p.Settled)
	for _, list := range p.Lists() {
		if !settled.Has(list.Interval()) {
			return list.Split
		}
	}
	return ""
}

// judged are the failures by which a run that has too many ends, and the items that they are of.
func judged(p *journal.Progress) (failed, of int64) {
	var others *tolerance.Redrive
	if again := redriveOf(p); again != nil {
		others = &again.Others
	}
	s := tolerance.SampleOf(p.Counts, others)
	s.Ended = true
	if others != nil {
		s.Taken += p.Redrive.Rest
	}
	failed, of, _ = s.Judged()
	return failed, of
}

// heldOpen is why a run with held items stays open; nil: it has none.
func heldOpen(n int64) *OpenError {
	if n == 0 {
		return nil
	}
	return &OpenError{Reason: "held", Held: n}
}

// Limits of the broken objects that an end names, as in dmap.Map.
const (
	listedBroken = 100
	firstBroken  = 10
)

// judgeBroken ends the run, by its tolerance of broken objects.
func (m *Machine[T, R]) judgeBroken(r rest, p *journal.Progress, out *dmap.Ending) {
	out.Stats.Reason, out.Unread = "succeeded", dmap.Unread{Splits: r.unread}
	n := int64(len(r.broken))
	out.Stats.BrokenObjects, out.Broken = n, r.broken[:min(n, listedBroken)]
	if n > out.Tolerance.BrokenObjects {
		out.Stats.Reason = "tolerance"
		out.Err = &dmap.ToleranceError{
			Tolerance: out.Tolerance, Failed: p.Counts.NowFailed(), Of: p.Counts.Succeeded + p.Counts.NowFailed(),
			Broken: n, FirstBroken: r.broken[:min(n, firstBroken)],
		}
	}
}
