package dmap

import (
	"context"
	"errors"
	"time"
)

// stop ends the run early: no reading, no new calls. Calls in flight have DrainTimeout to come back, none if the run was
// cancelled. The first cause wins.
func (e *engine[T, R]) stop(cause error) {
	e.mu.Lock()
	if e.stopping.Load() {
		e.mu.Unlock()
		return
	}
	e.cause = cause
	e.stopping.Store(true)
	e.mu.Unlock()
	e.opts.Logger.Warn("dmap: the run stops", "run", e.opts.RunID, "cause", cause)
	e.cancelRead(cause)
	e.gate.Stop()
	e.watching.Go(func() { e.drain(cause) })
}

// drain bounds the time that calls have left, and then that of writes if the run was cancelled.
func (e *engine[T, R]) drain(cause error) {
	timer := time.NewTimer(e.opts.DrainTimeout)
	defer timer.Stop()
	interrupt := e.runCtx.Done()
	if errors.Is(context.Cause(e.runCtx), ErrSuspended) {
		interrupt = nil
	}
	select {
	case <-interrupt:
	case <-timer.C:
	case <-e.over:
		return
	}
	e.cancelCalls(cause)
	select {
	case <-e.runCtx.Done():
		e.bound(e.sinkCtx, e.cancelSink, cause)
	case <-e.over:
	}
}

// bound cancels ctx after DrainTimeout, unless it ends before.
func (e *engine[T, R]) bound(ctx context.Context, cancel context.CancelCauseFunc, cause error) {
	timer := time.NewTimer(e.opts.DrainTimeout)
	defer timer.Stop()
	select {
	case <-timer.C:
		cancel(cause)
	case <-ctx.Done():
	}
}

// onCancel calls f when the run's context ends. The function it returns ends that, and waits if f is under way.
func (e *engine[T, R]) onCancel(f func(cause error)) (end func()) {
	called := make(chan struct{})
	disarm := context.AfterFunc(e.runCtx, func() {
		defer close(called)
		f(context.Cause(e.runCtx))
	})
	return func() {
		if !disarm() {
			<-called
		}
	}
}

// release ends the contexts of the run.
func (e *engine[T, R]) release(cause error) {
	e.cancelRun(cause)
	e.cancelCalls(cause)
	e.cancelSink(cause)
	e.cancelSave(cause)
}

// detached is a context with the values of ctx that ends only when it is told to.
func detached(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	return context.WithCancelCause(context.WithoutCancel(ctx))
}

// callContexts is detached for calls: they see the deadline of ctx.
func callContexts(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return detached(ctx)
	}
	limited, release := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	calls, cancel := context.WithCancelCause(limited)
	return calls, func(cause error) {
		cancel(cause)
		release()
	}
}
