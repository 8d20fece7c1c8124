package dmap_test

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/go-dmap/dmap/dmap"
)

// recording is an adapter that records every event of one process of a run, and knows which
// sequences of them cannot be.
type recording struct {
	mu     sync.Mutex
	faults []error
	open   map[*openCall]bool // calls that have started

	started, ended int // of the run
	phases         []dmap.PhaseEvent
	start          dmap.RunStart
	end            dmap.RunEnd
	calls, again   int64 // calls that have ended, and of these those after the first attempt
	abandoned      int
	items          int64 // of calls that have started
	bytes          int64
	retries        []dmap.RetryEvent
	failures       []dmap.FailureEvent
	commits        []dmap.CommitEvent
	edits          []dmap.EditEvent
	events         int
	lastCallEnd    dmap.CallEnd
}

type openCall struct{ event dmap.CallStart }

type recordingKey string

// observer returns the Observer that records in r.
func (r *recording) observer() *dmap.Observer {
	r.open = map[*openCall]bool{}
	return &dmap.Observer{
		RunStarted: func(ctx context.Context, e dmap.RunStart) context.Context {
			defer r.locked()()
			r.started++
			r.start = e
			return context.WithValue(ctx, recordingKey("run"), r)
		},
		RunEnded: func(ctx context.Context, e dmap.RunEnd) {
			defer r.event(ctx, "RunEnded")()
			r.ended++
			r.end = e
		},
		PhaseChanged: func(ctx context.Context, e dmap.PhaseEvent) {
			defer r.event(ctx, "PhaseChanged")()
			r.phases = append(r.phases, e)
		},
		CallStarted: func(ctx context.Context, e dmap.CallStart) context.Context {
			defer r.event(ctx, "CallStarted")()
			call := &openCall{e}
			r.open[call] = true
			r.items += int64(e.Items)
			r.bytes += e.Bytes
			if info, ok := dmap.InfoFrom(ctx); !ok || info != e.Info {
				r.fault("call %+v has a context of %+v", e.Info, info)
			}
			return context.WithValue(ctx, recordingKey("call"), call)
		},
		CallEnded: func(ctx context.Context, e dmap.CallEnd) {
			defer r.event(ctx, "CallEnded")()
			call, ok := ctx.Value(recordingKey("call")).(*openCall)
			if !ok || !r.open[call] || call.event != e.CallStart {
				r.fault("end of a call that has not started, or has ended: %+v", e)
			}
			delete(r.open, call)
			r.calls++
			if e.Attempt > 1 {
				r.again++
			}
			if e.Abandoned {
				r.abandoned++
			}
			r.lastCallEnd = e
		},
		RetryScheduled: func(ctx context.Context, e dmap.RetryEvent) {
			defer r.event(ctx, "RetryScheduled")()
			r.retries = append(r.retries, e)
		},
		FailureSettled: func(ctx context.Context, e dmap.FailureEvent) {
			defer r.event(ctx, "FailureSettled")()
			r.failures = append(r.failures, e)
		},
		Committed: func(ctx context.Context, e dmap.CommitEvent) {
			defer r.event(ctx, "Committed")()
			r.commits = append(r.commits, e)
		},
		Edited: func(ctx context.Context, e dmap.EditEvent) {
			defer r.event(ctx, "Edited")()
			r.edits = append(r.edits, e)
		},
	}
}

func (r *recording) locked() (unlock func()) {
	r.mu.Lock()
	r.events++
	return r.mu.Unlock
}

// event begins the record of an event between RunStarted and RunEnded.
func (r *recording) event(ctx context.Context, name string) (unlock func()) {
	unlock = r.locked()
	if r.started != 1 || r.ended != 0 {
		r.fault("%s after %d starts and %d ends of the run", name, r.started, r.ended)
	}
	if ctx.Value(recordingKey("run")) != r {
		r.fault("%s without the value of RunStarted", name)
	}
	return unlock
}

func (r *recording) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Errorf(format, args...))
}

// check compares the events with what Wait has returned.
func (r *recording) check(stats dmap.Stats, err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.start.Stats
	var settled dmap.CommitEvent
	for _, c := range r.commits {
		settled.Succeeded += c.Succeeded
		settled.Failed += c.Failed
		settled.Skipped += c.Skipped
	}
	same := func(what string, got, want int64) {
		if got != want {
			r.fault("%s: the events count %d, Stats %d", what, got, want)
		}
	}
	same("runs", int64(r.ended), 1)
	same("calls without an end", int64(len(r.open)), 0)
	same("calls", r.calls, stats.Calls-before.Calls)
	same("retries", r.again, stats.Retries-before.Retries)
	same("failures", int64(len(r.failures)), stats.Failed-before.Failed)
	if r.end.Stats != stats || !errors.Is(err, r.end.Err) && fmt.Sprint(err) != fmt.Sprint(r.end.Err) {
		r.fault("RunEnded with %+v, %w; Wait returned %+v, %w", r.end.Stats, r.end.Err, stats, err)
	}
	if stats.State == dmap.StateEnded && len(r.commits) > 0 {
		same("committed successes", settled.Succeeded, stats.Succeeded-before.Succeeded)
		same("committed failures", settled.Failed, stats.Failed-before.Failed)
	}
	stopped := 0
	for _, p := range r.phases {
		if p.Phase == dmap.PhaseStopping {
			stopped++
			if p.Cause == nil {
				r.fault("stopping without a cause")
			}
		}
	}
	if stopped > 1 {
		r.fault("%d stops", stopped)
	}
	return errors.Join(r.faults...)
}
