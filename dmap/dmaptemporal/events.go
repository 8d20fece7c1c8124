package dmaptemporal

import (
	"context"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/lease"
)

// events passes those of a run to an observer, from one goroutine.
type events struct {
	to     *dmap.Observer
	ctx    context.Context //nolint:containedctx // the values of the run's context
	silent bool            // a function did not return: no event follows

	control coord.Control // that the observer knows
	phase   dmap.Phase
	saved   lease.Tally // items that the observer takes for saved: by RunStart.Stats, and by events
	commits int64
}

func newEvents(ctx context.Context, to *dmap.Observer) *events {
	if to == nil {
		to = new(dmap.Observer)
	}
	return &events{to: to, ctx: context.WithoutCancel(ctx)}
}

// pass calls a function of the observer.
func pass[E any](e *events, f func(context.Context, E), event E) {
	if f == nil || e.silent {
		return
	}
	_, how := guard.Call(func() struct{} { f(e.ctx, event); return struct{}{} })
	e.silent = how.Hangs()
}

func (e *events) started(event dmap.RunStart, control coord.Control) {
	n := event.Stats
	e.control, e.saved = control, lease.Tally{Succeeded: n.Succeeded, Failed: n.Failed, Skipped: n.Skipped, Held: n.Held}
	if e.to.RunStarted == nil {
		return
	}
	out, how := guard.Call(func() context.Context { return e.to.RunStarted(e.ctx, event) })
	e.silent = how.Hangs()
	if out != nil {
		e.ctx = context.WithoutCancel(out)
	}
}

// edited passes on the settings that differ from those before.
func (e *events) edited(now coord.Control) {
	was := e.control
	e.control = now
	edit := func(setting string, from, to any) {
		if from != to {
			pass(e, e.to.Edited, dmap.EditEvent{Setting: setting, From: from, To: to})
		}
	}
	edit("MaxConcurrency", was.Limit, now.Limit)
	edit("Rate", was.Rate, now.Rate)
	edit("Tolerance", was.Tolerance, now.Tolerance)
	edit("Paused", was.Paused, now.Paused)
}

// phaseChanged passes on a phase, each once.
func (e *events) phaseChanged(phase dmap.Phase, cause error) {
	if phase == "" || phase == e.phase || e.phase == dmap.PhaseSaving {
		return
	}
	e.phase = phase
	if phase != dmap.PhaseStopping {
		cause = nil
	}
	pass(e, e.to.PhaseChanged, dmap.PhaseEvent{Phase: phase, Cause: cause})
}

// committed passes on the items that records have settled since the last event.
func (e *events) committed(saved lease.Tally) {
	was := e.saved
	e.saved = lease.Tally{
		Succeeded: max(was.Succeeded, saved.Succeeded), Failed: max(was.Failed, saved.Failed),
		Skipped: max(was.Skipped, saved.Skipped), Held: max(was.Held, saved.Held),
	}
	if e.saved == was {
		return
	}
	pass(e, e.to.Committed, dmap.CommitEvent{
		Number: e.commits, Succeeded: e.saved.Succeeded - was.Succeeded, Failed: e.saved.Failed - was.Failed,
		Skipped: e.saved.Skipped - was.Skipped, Held: e.saved.Held - was.Held,
	})
	e.commits++
}
