package dmap

import (
	"errors"
	"fmt"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/scrub"
)

// finish runs after the last call. It delivers settled items, flushes the sinks, writes the last
// commit, checks the counts, and ends the run in the sinks, or leaves it open.
func (e *engine[T, R]) finish(readErr error) {
	ctx := e.stopper.save.ctx
	pending := e.delivery.collect(ctx)
	e.sinks.flush(ctx)
	e.durable.commit(ctx, stopOf(e.stopper.stopping.Load(), e.judged(readErr, Stats{})))
	stats := e.running()
	stats.Pending = int64(len(pending)) + e.reader.waiting()
	v := e.judged(readErr, stats)
	if v.reason == reasonEnough {
		pending = e.leaveRest(pending)
		stats = e.running()
		stats.Pending = int64(len(pending)) + e.reader.waiting()
	}
	stats.State, stats.Reason = v.state, v.reason
	ending := Ending{Stats: stats, Pending: pending, Err: shown(v.err, v.text()), Resumable: v.state == StateOpen, Broken: e.tally.brokenObjects()}
	if v.err != nil || e.tally.readAll.Load() {
		ending.Unread = e.reader.unread()
	}
	e.stopper.log.noItems(ending, e.spec.Source)
	e.verdict = e.end(ending, v)
	e.final = stats
	e.final.State, e.final.Reason = e.verdict.state, e.verdict.reason
	e.stopper.log.ended(e.final, e.verdict.text(), e.sinks.place())
}

// end appends the final record and ends the run in the sinks, in the one that keeps the journal
// last. If a step fails a run with a journal stays open.
func (e *engine[T, R]) end(ending Ending, v verdict) verdict {
	ctx := e.stopper.save.ctx
	failed := func(err error) {
		if err != nil {
			v = v.failedWith(err, e.durable.on())
			ending.Err, ending.Resumable = shown(v.err, v.text()), v.state == StateOpen
			ending.Stats.State, ending.Stats.Reason = v.state, v.reason
		}
	}
	if !ending.Resumable {
		failed(e.durable.appendFinal(ctx)) // first: a process that was fenced ends nothing
	}
	e.durable.edits.endWith(&ending)
	ending.Tolerance = *e.tally.tolerance.Load()
	failed(e.sinks.end(ctx, ending))
	failed(e.sinks.endKeeper(ctx, ending))
	failed(e.durable.close())
	return v
}

// judged is the end of the run with the counts of s.
func (e *engine[T, R]) judged(readErr error, s Stats) verdict {
	d := evidence{
		durable: e.durable.on(), truncated: e.tally.truncated.Load(),
		cause: e.stopper.why(), canceled: e.stopper.canceledBy(), source: readErr, sinks: e.sinks.failures(),
		rules: e.stopper.log.rules,
	}
	if spent, ok := d.cause.(*BudgetError); ok { //nolint:errorlint // where it comes from counts, not its chain
		d.cause = e.spending.final(spent)
	}
	if d.cause == errEnoughSucceeded {
		d.cause, d.enough, d.source = nil, true, nil
	}
	if d.cause == nil && readErr == nil && e.stopper.leaves() && !e.tally.readAll.Load() {
		d.leased = errReadingStopped
	}
	if d.cause == nil {
		d.exceeded = errors.Join(e.tally.exceededBy(d.enough || e.tally.readAll.Load()), e.tally.brokenExceeded())
		d.trial = e.tally.trialEnd()
		if !d.enough && d.leased == nil {
			d.held = e.heldEnd(readErr)
		}
		// otherwise the run has ended, or its source says more
		if d.exceeded == nil && readErr == nil && !d.enough && d.leased == nil {
			d.source = e.reader.empty()
		}
	}
	if sum := s.Succeeded + s.Failed + s.Skipped + s.Held + s.Pending; sum != s.Read {
		d.sum = fmt.Errorf("%w: read %d items, but %d succeeded, %d failed, %d skipped, %d are held, %d are pending", ErrInternal,
			s.Read, s.Succeeded, s.Failed, s.Skipped, s.Held, s.Pending)
	}
	return d.judged()
}

// stopOf is what the last commit says about v: nil if the run neither stopped early nor stays open.
func stopOf(early bool, v verdict) *journal.Stop {
	if v.state != StateOpen && !early {
		return nil
	}
	return &journal.Stop{Reason: v.reason, Error: scrub.Clip(v.text(), maxText)}
}

// heldEnd is the error of a run in which nothing is left but held items. nil: there are none, or
// something else is left.
func (e *engine[T, R]) heldEnd(source error) error {
	n := e.tally.held.Load()
	if n == 0 || source != nil {
		return nil
	}
	return &HeldError{Held: n, Ignored: e.durable.ignored}
}

// leaveRest makes the items unread that a run with enough successes has read and not settled: they
// are nothing to redo. Taken ones stay pending.
func (e *engine[T, R]) leaveRest(pending []Pending) (rest []Pending) {
	for _, p := range pending {
		if p.taken {
			rest = append(rest, p)
		}
	}
	left := int64(len(pending) - len(rest))
	e.tally.read.Add(-left)
	if left > 0 || !e.tally.readAll.Load() { // otherwise MaxItems may have ended the reading
		e.tally.truncated.Store(true)
	}
	return rest
}
