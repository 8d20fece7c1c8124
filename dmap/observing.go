package dmap

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/journal"
)

// observing passes the events of a run to Options.Observer. A nil observing does nothing.
type observing struct {
	to  *Observer
	ctx context.Context //nolint:containedctx // the values of the run's context, for events
	log *runLog

	silent atomic.Bool // a function did not return: no event follows

	mu     sync.Mutex    // guards the fields below
	closed bool          // RunEnded is next: no other event is passed on any more
	events int           // that are being passed on
	idle   chan struct{} // closed when there are none; nil: nobody waits
}

// newObserving returns nil without an observer.
func newObserving(ctx context.Context, to *Observer, log *runLog) *observing {
	if to == nil {
		return nil
	}
	return &observing{to: to, ctx: context.WithoutCancel(ctx), log: log}
}

// observe calls a function of the observer and waits for it.
func observe[E any](ctx context.Context, o *observing, name string, f func(context.Context, E), e E) {
	if f == nil || o.silent.Load() || !o.enter() {
		return
	}
	defer o.leave()
	_, how := guard.Call(func() struct{} { f(ctx, e); return struct{}{} })
	o.judge(name, how)
}

// observeStart is observe for a function that returns a context. It returns nil if ctx is to stay
// as it is.
func observeStart[E any](ctx context.Context, o *observing, name string, f func(context.Context, E) context.Context, e E) context.Context {
	if f == nil || o.silent.Load() || !o.enter() {
		return nil
	}
	defer o.leave()
	out, how := guard.Call(func() context.Context {
		out := f(ctx, e)
		if out == nil || out == ctx {
			return nil
		}
		return context.WithoutCancel(out)
	})
	o.judge(name, how)
	return out
}

// judge ends the events of an observer that does not return.
func (o *observing) judge(name string, how guard.Failure) {
	switch {
	case how == "":
	case !how.Hangs():
		o.log.write(slog.LevelWarn, "an event of the observer is lost", "function", name, "cause", string(how))
	case !o.silent.Swap(true):
		o.log.write(slog.LevelError, "the observer gets no events any more", "function", name, "cause", string(how))
	}
}

// withValues is a context whose values are also those of another one.
type withValues struct {
	context.Context
	values context.Context //nolint:containedctx // never ends; looked at before Context
}

// Value returns a value of the added context. context.WithoutCancel hides there what the standard
// library stores for cancellation, so that this is found in Context. So is the call: the added
// context may be made from that of another one.
func (c *withValues) Value(key any) any {
	if key == (infoKey{}) {
		return c.Context.Value(key)
	}
	if v := c.values.Value(key); v != nil {
		return v
	}
	return c.Context.Value(key)
}

// runStarted reports the begin of the run in this process. It returns a context whose values the
// contexts of the run must have, nil if there is none.
func (o *observing) runStarted(e RunStart) context.Context {
	if o == nil {
		return nil
	}
	out := observeStart(o.ctx, o, "RunStarted", o.to.RunStarted, e)
	if out != nil {
		o.ctx = &withValues{o.ctx, out}
	}
	return out
}

// runEnded reports the end of the run in this process, after all other events.
func (o *observing) runEnded(s Stats, err error) {
	if o == nil {
		return
	}
	<-o.close()
	if f := o.to.RunEnded; f != nil && !o.silent.Load() {
		_, how := guard.Call(func() struct{} { f(o.ctx, RunEnd{Stats: s, Err: err}); return struct{}{} })
		o.judge("RunEnded", how)
	}
}

// enter begins the passing of an event. It returns false after close: late events come from methods
// of Run, and from sinks that were abandoned.
func (o *observing) enter() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.events++
	}
	return !o.closed
}

func (o *observing) leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.events--; o.closed && o.events == 0 {
		close(o.idle)
	}
}

// close refuses further events. The channel is closed when the last one has been passed on.
func (o *observing) close() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed, o.idle = true, make(chan struct{})
	if o.events == 0 {
		close(o.idle)
	}
	return o.idle
}

func (o *observing) phase(p Phase, cause error) {
	if o == nil {
		return
	}
	observe(o.ctx, o, "PhaseChanged", o.to.PhaseChanged, PhaseEvent{Phase: p, Cause: shown(cause, describe(o.log.rules, cause))})
}

// callStarted reports a call. It returns the context that the function gets.
func (o *observing) callStarted(ctx context.Context, e CallStart) context.Context {
	if out := observeStart(ctx, o, "CallStarted", o.to.CallStarted, e); out != nil {
		return &withValues{ctx, out}
	}
	return ctx
}

func (o *observing) callEnded(ctx context.Context, e CallEnd) {
	key := e.Key
	if e.Items > 1 {
		key = ""
	}
	e.Err = o.shown(e.Err, key)
	observe(ctx, o, "CallEnded", o.to.CallEnded, e)
}

// retry reports an item that failed its attempt and is called again after wait.
func (o *observing) retry(info Info, err error, wait time.Duration) {
	if o == nil {
		return
	}
	observe(o.ctx, o, "RetryScheduled", o.to.RetryScheduled, RetryEvent{Info: info, Err: o.shown(err, info.Key), Wait: wait})
}

// throttled reports an attempt that slows the run down for wait.
func (o *observing) throttled(info Info, err error, wait time.Duration) {
	if o == nil {
		return
	}
	observe(o.ctx, o, "Throttled", o.to.Throttled, ThrottleEvent{Info: info, Err: o.shown(err, info.Key), Wait: wait})
}

func (o *observing) failed(err *ItemError) {
	if o == nil {
		return
	}
	observe(o.ctx, o, "FailureSettled", o.to.FailureSettled, FailureEvent{Info: err.Info, Err: o.shown(err.Err, err.Key)})
}

func (o *observing) committed(number int64, n journal.Counts) {
	if o == nil {
		return
	}
	observe(o.ctx, o, "Committed", o.to.Committed, CommitEvent{
		Number: number, Succeeded: n.Succeeded, Failed: n.Failed, Skipped: n.Skipped, Held: n.Held,
	})
}

// edited reports a change of a setting.
func (o *observing) edited(e EditEvent) {
	if o == nil {
		return
	}
	observe(o.ctx, o, "Edited", o.to.Edited, e)
}

// shown returns err with the text that it has by the rules of the run. key is that of its item.
func (o *observing) shown(err error, key string) error {
	if err == nil {
		return nil
	}
	return &observedError{o.log, key, err}
}

// observedError is an error in an event. Its text is made on request.
type observedError struct {
	log *runLog
	key string
	err error
}

func (e *observedError) Error() string { return e.log.rules.Text(e.err, e.key, maxShown) }

// Unwrap returns the error.
func (e *observedError) Unwrap() error { return fromOutside(e.err) }
