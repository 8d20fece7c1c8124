package dmaptemporal

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/lease"
)

// follow begins to follow a run that has these settings, as far as is known.
func follow(ctx context.Context, c client.Client, id string, run client.WorkflowRun, control coord.Control, observer *dmap.Observer) *Run {
	ask := asker{c, id}
	r := &Run{
		id: id, asker: ask, opened: control.Limit == 0, events: newEvents(ctx, observer), orders: newOrders(ctx, ask),
		attention: newAttention(observer != nil), done: make(chan struct{}),
	}
	r.view.Read(time.Now(), &coord.Summary{Control: control}, nil)
	go r.follow(ctx, run)
	return r
}

// follow reads the run, delivers orders, and passes events on, until the run or ctx ends. It owns
// all goroutines of r.
func (r *Run) follow(ctx context.Context, run client.WorkflowRun) {
	defer close(r.done)
	work, stop := context.WithCancel(ctx)
	ended, told := make(chan outcome, 1), make(chan stats)
	var group sync.WaitGroup
	group.Go(func() { ended <- await(work, run) })
	group.Go(func() { r.orders.deliver(work) })
	group.Go(func() { r.asker.ask(work, told, r.orders.changed) })
	out := r.read(work, told, ended)
	stop()
	group.Wait()
	r.finish(out)
}

// startTime is how long RunStarted waits for the first answer of the run.
const startTime = 5 * time.Second

// read takes in the answers of the workflow, and the beats of its leases as often as somebody
// looks, until the run has ended.
func (r *Run) read(ctx context.Context, told <-chan stats, ended <-chan outcome) (out outcome) {
	next, limit := time.NewTimer(r.attention.every()), time.After(startTime)
	defer next.Stop()
	started, over := false, false
	var at position
	for !over {
		begins := false
		select {
		case s := <-told:
			begins = r.tell(&s)
		case <-next.C:
			at = r.beat(ctx, at)
			next.Reset(r.attention.every())
		case <-r.attention.came:
			next.Reset(0)
		case <-limit:
			begins = true
		case out = <-ended:
			begins, over = true, true
		}
		if begins && !started {
			started = true
			r.start()
		} else if started && !over {
			r.pass()
		}
	}
	return out
}

// tell takes in an answer of the workflow. It reports whether the run has begun there.
func (r *Run) tell(s *stats) (begun bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.name = cmp.Or(s.Source, r.name)
	if begun = !s.Started.IsZero(); begun || r.view.Summary().Control.Limit == 0 {
		r.view.Read(time.Now(), &s.Summary, nil)
	}
	return begun
}

// beat reads the beats of the leases. It has the workflow asked if the history is no longer at a
// position, and returns the new one.
func (r *Run) beat(ctx context.Context, at position) position {
	beats, now, ok := r.asker.beats(ctx)
	if ok && now != at {
		at = now
		signal(r.orders.changed)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.view.Read(time.Now(), nil, beats)
	return at
}

// start passes on that this process follows the run.
func (r *Run) start() {
	r.mu.Lock()
	s, stats, name := r.view.Summary(), r.stats(), r.name
	r.mu.Unlock()
	event := dmap.RunStart{Stats: stats, Run: r, Engine: "temporal"}
	event.RunSpec = dmap.RunSpec{RunID: r.id, Source: name, Started: stats.Started, Redrive: s.Redrive, Resumed: stats.Resumed || r.opened}
	event.Options = dmap.Options{RunID: r.id, MaxConcurrency: s.Control.Limit, Rate: s.Control.Rate, Tolerance: s.Control.Tolerance}
	r.events.started(event, s.Control)
}

// pass passes on what the latest reading has changed.
func (r *Run) pass() {
	r.mu.Lock()
	s, phase, saved, readAll := r.view.Summary(), r.view.Phase(), r.view.Saved(), r.view.ReadAll()
	r.mu.Unlock()
	r.events.edited(s.Control)
	r.events.committed(saved)
	if readAll { // the phase may be a later one already
		r.events.phaseChanged(dmap.PhaseRead, nil)
	}
	var cause error
	if s.End != nil {
		cause = causeOf(*s.End)
	}
	r.events.phaseChanged(phase, cause)
}

// finish sets what Wait returns, and passes the end on.
func (r *Run) finish(out outcome) {
	r.mu.Lock()
	if out.known && out.Before == nil {
		r.view.End(time.Now(), out.Failures, out.Effort)
	}
	stats := r.stats()
	r.mu.Unlock()
	stats = finalStats(stats, &out)
	if out.known && out.Before == nil {
		r.events.committed(lease.Tally{Succeeded: stats.Succeeded, Failed: stats.Failed, Skipped: stats.Skipped, Held: stats.Held})
	}
	var err error
	if stats.State, stats.Reason, err = out.judge(r.orders.canceledBy()); err != nil {
		err = fmt.Errorf("run %q: %w", r.id, err)
	}
	r.mu.Lock()
	r.final, r.err = stats, err
	r.mu.Unlock()
	if stats.Reason == "succeeded" { // the last reading may be a second old
		r.events.phaseChanged(dmap.PhaseRead, nil)
	}
	pass(r.events, r.events.to.RunEnded, dmap.RunEnd{Stats: stats, Err: err})
}
