package dmaptemporal

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/lease"
)

const (
	readEvery = time.Second
	readTime  = 5 * time.Second // for an answer; the next reading asks again
)

// follow begins to follow a run that has these settings, as far as is known.
func follow(ctx context.Context, c client.Client, id string, run client.WorkflowRun, control coord.Control, observer *dmap.Observer) *Run {
	ask := asker{c, id}
	r := &Run{
		id: id, asker: ask, events: newEvents(ctx, observer), orders: newOrders(ctx, ask), done: make(chan struct{}),
	}
	r.view.Read(time.Now(), &coord.Summary{Control: control}, nil)
	go r.follow(ctx, run)
	return r
}

// follow reads the run each second, delivers orders, and passes events on, until the run or ctx
// ends. It owns all goroutines of r.
func (r *Run) follow(ctx context.Context, run client.WorkflowRun) {
	defer close(r.done)
	work, stop := context.WithCancel(ctx)
	ended, delivered := make(chan outcome, 1), make(chan struct{})
	go func() { ended <- await(work, run) }()
	go func() { defer close(delivered); r.orders.deliver(work) }()
	out, over := r.begin(work, ended)
	r.start()
	for tick := time.NewTicker(readEvery); !over; {
		select {
		case <-tick.C:
			r.read(work)
			r.pass()
		case <-r.orders.edited:
			r.read(work)
			r.pass()
		case out = <-ended:
			over = true
			tick.Stop()
		}
	}
	stop()
	<-delivered
	r.finish(out)
}

// begin reads the run until it answers, has ended, or does not answer in time.
func (r *Run) begin(ctx context.Context, ended <-chan outcome) (out outcome, over bool) {
	limit := time.After(readTime)
	for {
		r.read(ctx)
		r.mu.Lock()
		begun := !r.view.Summary().Started.IsZero()
		r.mu.Unlock()
		if begun {
			return outcome{}, false
		}
		select {
		case out := <-ended:
			return out, true
		case <-limit:
			return outcome{}, false
		case <-time.After(readEvery / 4):
		}
	}
}

// read asks the workflow, and then Temporal for the beats. What is missing stays as it was.
func (r *Run) read(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	at := time.Now()
	s, ok := r.asker.query(ctx)
	beats := r.asker.beats(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	summary := &s.Summary
	if !ok || s.Started.IsZero() && r.view.Summary().Control.Limit > 0 { // the run has not begun
		summary = nil
	}
	r.name = cmp.Or(s.Source, r.name)
	r.view.Read(at, summary, beats)
}

// start passes on that this process follows the run.
func (r *Run) start() {
	r.mu.Lock()
	s, stats, saved, name := r.view.Summary(), r.stats(), r.view.Saved(), r.name
	r.mu.Unlock()
	event := dmap.RunStart{Stats: stats, Run: r, Engine: "temporal"}
	event.RunSpec = dmap.RunSpec{RunID: r.id, Source: name, Started: stats.Started, Resumed: stats.Resumed || stats.Read > 0}
	event.Options = dmap.Options{RunID: r.id, MaxConcurrency: s.Control.Limit, Rate: s.Control.Rate, Tolerance: s.Control.Tolerance}
	r.events.started(event, s.Control, saved)
}

// pass passes on what the latest reading has changed.
func (r *Run) pass() {
	r.mu.Lock()
	s, phase, saved := r.view.Summary(), r.view.Phase(), r.view.Saved()
	r.mu.Unlock()
	r.events.edited(s.Control)
	r.events.committed(saved)
	var cause error
	if s.End != nil {
		_, cause = reasonOf(*s.End)
	}
	r.events.phaseChanged(phase, cause)
}

// finish sets what Wait returns, and passes the end on.
func (r *Run) finish(out outcome) {
	r.mu.Lock()
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
	pass(r.events, r.events.to.RunEnded, dmap.RunEnd{Stats: stats, Err: err})
}
