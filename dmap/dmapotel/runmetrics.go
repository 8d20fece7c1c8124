package dmapotel

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// runMetrics are the metrics of one run in this process.
type runMetrics struct {
	*kindMetrics
	process *process
	run     dmap.LiveRun
	batches bool

	committed atomic.Int64 // when the last record became durable, in ns since 1970; 0: none is known

	mu      sync.Mutex // guards the fields below
	counted counts     // what the counters have
	failed  manyFailures
	ended   bool
}

// counts are the numbers that counters follow.
type counts struct{ succeeded, skipped, written int64 }

// startMetrics begins the metrics of a run.
func startMetrics(p *process, e dmap.RunStart) *runMetrics {
	r := &runMetrics{process: p, run: e.Run, batches: e.Batch.Items != 0 || e.Batch.Bytes != 0, counted: counts{succeeded: e.Stats.Succeeded, skipped: e.Stats.Skipped}}
	if many, ok := e.Run.(failing); ok {
		r.failed.start(many.Failures())
	}
	if e.Resumed { // it has a journal, whose last record is that of an earlier process
		r.committed.Store(time.Now().UnixNano())
	}
	p.add(r, sourceKind(e.Source), engineOf(e))
	return r
}

// end counts the rest, and ends the sampling. It is called once.
func (r *runMetrics) end(ctx context.Context, s dmap.Stats, lost int64) {
	r.follow(ctx, s)
	r.mu.Lock()
	if _, ok := r.run.(failing); ok && !r.ended {
		r.addFailures(ctx, otherType, r.failed.rest(s.Failed))
	}
	r.ended = true
	r.mu.Unlock()
	r.addItems(ctx, OutcomeAborted, lost)
	r.process.remove(r)
	r.process.leave()
}

// follow adds to the counters what the run has more than they.
func (r *runMetrics) follow(ctx context.Context, s dmap.Stats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	last := r.counted
	now := counts{max(s.Succeeded, last.succeeded), max(s.Skipped, last.skipped), max(r.run.Written(), last.written)}
	r.counted = now
	r.addItems(ctx, OutcomeSucceeded, now.succeeded-last.succeeded)
	r.addItems(ctx, OutcomeSkipped, now.skipped-last.skipped)
	r.addBytes(ctx, r.written, now.written-last.written)
	if many, ok := r.run.(failing); ok {
		for class, n := range r.failed.follow(many.Failures()) {
			r.addFailures(ctx, class, n)
		}
	}
}

// sample returns the gauges of the run, and whether it has not ended yet.
func (r *runMetrics) sample(ctx context.Context, now time.Time) (g gauges, lives bool) {
	s := r.run.Stats()
	r.follow(ctx, s)
	select {
	case <-r.run.Done(): // the observer is about to end it
		return g, false
	default:
	}
	g.inFlight, g.limit = r.inFlightItems(s), int64(s.Limit)
	if s.AdaptedLimit > 0 {
		g.limit = int64(s.AdaptedLimit)
	}
	if at := r.committed.Load(); at != 0 {
		g.journal, g.age = true, now.Sub(time.Unix(0, at))
	}
	return g, true
}

// inFlightItems is the number of items in the calls that run.
func (r *runMetrics) inFlightItems(s dmap.Stats) int64 {
	if !r.batches {
		return int64(s.InFlight)
	}
	var n int64
	for _, call := range r.run.InFlight(s.InFlight) {
		n += int64(call.Items)
	}
	return n
}

// addFailures counts failures of a class of which this process gets no events.
func (r *runMetrics) addFailures(ctx context.Context, class string, n int64) {
	if n <= 0 {
		return
	}
	outcome := OutcomeFailed
	if class == classTimeout {
		outcome = OutcomeTimedOut
	}
	r.items.Add(ctx, n, r.errorOptions(outcome, errorTypes.ofClass(class))...)
}
