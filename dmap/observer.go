package dmap

import (
	"context"
	"time"
)

// Observer gets the events of a run: for a page, a terminal, metrics, traces. A nil function is
// never called, and a nil Observer costs nothing.
//
// The functions are called from many goroutines. The engine waits for each of them, at most 10 s,
// with no lock held: a slow function slows the run down. Each runs on a goroutine of its own. A
// function that panics loses its event. After one that takes longer than 10 s, or ends its
// goroutine, the Observer gets no other event, and the Logger says so. No function changes what
// happens in the run. A function must not wait for the end of the run.
//
// The events of one run come in this order: RunStarted, then all others, then RunEnded, before
// Done is closed. A call that could not open its run, or whose run had ended before, has no events.
//
// Errors in events have the text that the rules of the run give them (no secrets, Options.Redact);
// errors.As and errors.Is find the original ones.
type Observer struct {
	// RunStarted is called when this process begins, resumes or redrives the run, before anything
	// is read. The values of the context that it returns are those of all later contexts of the
	// run: of its source, sinks, calls and events. Only its values count, so it cannot end the
	// run. nil: the context stays as it is.
	RunStarted func(ctx context.Context, e RunStart) context.Context
	// RunEnded is called when the run has ended, or stays open.
	RunEnded func(ctx context.Context, e RunEnd)
	// PhaseChanged is called at the turns between the two.
	PhaseChanged func(ctx context.Context, e PhaseEvent)

	// CallStarted is called right before each call of the function, once for a batch. The function
	// gets the values of the context that it returns; cancellation and deadline stay those of the
	// engine. nil: the context stays as it is. Options.Timeout starts after it has returned.
	CallStarted func(ctx context.Context, e CallStart) context.Context
	// CallEnded is called once for each call that has started, with the context of CallStarted:
	// after it has returned, panicked or ended its goroutine, or when it is abandoned.
	CallEnded func(ctx context.Context, e CallEnd)
	// RetryScheduled is called for each item that is to be called again.
	RetryScheduled func(ctx context.Context, e RetryEvent)
	// Throttled is called when a call reports that its server throttles: it slows the run down.
	Throttled func(ctx context.Context, e ThrottleEvent)
	// FailureSettled is called for each item whose final outcome is a failure, also one that was
	// never called because it could not be read or is quarantined, and for each success that a sink
	// rejects.
	FailureSettled func(ctx context.Context, e FailureEvent)

	// Committed is called when a record of the journal is durable.
	Committed func(ctx context.Context, e CommitEvent)
	// Edited is called when a method of Run has set a setting, also to the value that it had. The
	// journal of the run gets each edit that changes a value with the next commit, of many in one
	// commit window the newest 100. A run that resumes starts with its Options, not with old edits.
	Edited func(ctx context.Context, e EditEvent)
}

// RunStart is the event of a run that this process begins, resumes or redrives.
type RunStart struct {
	RunSpec
	Stats Stats   // the counts so far: not zero if the run resumes
	Run   LiveRun // to watch and control the run
	// Engine says where the calls run. Empty: in goroutines of this process. "temporal": on many
	// machines.
	Engine string
}

// RunEnd is the event of a run that this process has left: ended, or open.
type RunEnd struct {
	Stats Stats // as Wait returns them
	Err   error // as Wait returns it
}

// Phase is a stage of a run in one process.
type Phase string

// The phases of a run. It begins by reading and calling.
const (
	PhaseRead     Phase = "read"     // nothing is left to read: Stats.Read is final
	PhaseStopping Phase = "stopping" // the run stops early: no call starts any more
	PhaseSaving   Phase = "saving"   // no call runs any more: sinks and journal save the results
)

// PhaseEvent is the begin of a phase.
type PhaseEvent struct {
	Phase Phase
	Cause error // of PhaseStopping
}

// CallStart describes a call.
type CallStart struct {
	Info        // of its item; of the first item of a batch
	Items int   // 1, or the items of the batch
	Bytes int64 // the sum of their Item.Size
}

// CallEnd describes the end of a call.
type CallEnd struct {
	CallStart
	Err       error         // of the function, a panic, ErrGoexit or ErrStuck; nil: every item succeeded
	Elapsed   time.Duration // since CallStarted returned
	Abandoned bool          // the function still runs: Options.AbandonAfter
}

// RetryEvent describes an attempt that another one follows.
type RetryEvent struct {
	Info // of the item; Attempt is the one that failed
	Err  error
	Wait time.Duration // until the next attempt may start; in a batch the longest of its items
}

// ThrottleEvent describes a throttled attempt.
type ThrottleEvent struct {
	Info // of the item; of the first item of a batch
	Err  error
	Wait time.Duration // how long the run calls nothing, or less
}

// FailureEvent describes an item that has failed.
type FailureEvent struct {
	Info
	Err error // Class sorts it
}

// CommitEvent describes a record of the journal. The numbers are those of the items that it
// settles.
type CommitEvent struct {
	Number    int64 // of the record
	Succeeded int64
	Failed    int64
	Skipped   int64
	Held      int64
}

// EditEvent describes a change of a setting of a run. From is the To of the edit of that setting
// before. The events of concurrent edits may come in another order.
type EditEvent struct {
	Setting  string // "MaxConcurrency" (int), "Rate" (Rate), "Tolerance" (Tolerance), "Paused" (bool)
	From, To any    // of the type above
}

// JoinObservers returns an Observer that passes each event to all of list, in order, and the end of
// a call or a run in reverse order. nil ones are left out. The context that one returns is that of
// the next. They share the limit of 10 s, and an event that panics in one is lost for those after
// it.
func JoinObservers(list ...*Observer) *Observer {
	var some []*Observer
	for _, o := range list {
		if o != nil {
			some = append(some, o)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return &Observer{
		RunStarted:     joinStarts(some, func(o *Observer) func(context.Context, RunStart) context.Context { return o.RunStarted }),
		RunEnded:       joinEnds(some, func(o *Observer) func(context.Context, RunEnd) { return o.RunEnded }),
		PhaseChanged:   joinEvents(some, func(o *Observer) func(context.Context, PhaseEvent) { return o.PhaseChanged }),
		CallStarted:    joinStarts(some, func(o *Observer) func(context.Context, CallStart) context.Context { return o.CallStarted }),
		CallEnded:      joinEnds(some, func(o *Observer) func(context.Context, CallEnd) { return o.CallEnded }),
		RetryScheduled: joinEvents(some, func(o *Observer) func(context.Context, RetryEvent) { return o.RetryScheduled }),
		Throttled:      joinEvents(some, func(o *Observer) func(context.Context, ThrottleEvent) { return o.Throttled }),
		FailureSettled: joinEvents(some, func(o *Observer) func(context.Context, FailureEvent) { return o.FailureSettled }),
		Committed:      joinEvents(some, func(o *Observer) func(context.Context, CommitEvent) { return o.Committed }),
		Edited:         joinEvents(some, func(o *Observer) func(context.Context, EditEvent) { return o.Edited }),
	}
}

// joinEvents joins one function of each observer; nil: none has it.
func joinEvents[E any](list []*Observer, of func(*Observer) func(context.Context, E)) func(context.Context, E) {
	var all []func(context.Context, E)
	for _, o := range list {
		if f := of(o); f != nil {
			all = append(all, f)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return func(ctx context.Context, e E) {
		for _, f := range all {
			f(ctx, e)
		}
	}
}

// joinEnds is joinEvents in reverse order.
func joinEnds[E any](list []*Observer, of func(*Observer) func(context.Context, E)) func(context.Context, E) {
	reversed := make([]*Observer, 0, len(list))
	for i := len(list) - 1; i >= 0; i-- {
		reversed = append(reversed, list[i])
	}
	return joinEvents(reversed, of)
}

// joinStarts is joinEvents for functions that return a context.
func joinStarts[E any](list []*Observer, of func(*Observer) func(context.Context, E) context.Context) func(context.Context, E) context.Context {
	var all []func(context.Context, E) context.Context
	for _, o := range list {
		if f := of(o); f != nil {
			all = append(all, f)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return func(ctx context.Context, e E) context.Context {
		for _, f := range all {
			if next := f(ctx, e); next != nil {
				ctx = next //nolint:fatcontext // one for each observer
			}
		}
		return ctx
	}
}
