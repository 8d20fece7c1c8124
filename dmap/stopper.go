package dmap

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// stopper knows why and how a run stops. It owns the contexts of the run's stages and ends them in
// order.
type stopper struct {
	runID string
	drain time.Duration // Options.DrainTimeout
	log   *runLog
	halt  func() // refuses new calls

	observer *observing // nil: there is none

	outer *callContext // the call of another run that this run is nested in; nil: none
	run   stage        // the caller's context, until Run.Cancel
	read  stage        // ends when the run stops, and nothing more may be read
	input stage        // of readers: ends with read, or before it when the reading stops
	calls stage        // ends when calls are interrupted, or at the deadline of the caller's context
	timed bool         // there is a deadline
	sinks stage        // of writes and commits while calls run
	save  stage        // of what sinks do after the last call

	stopping   atomic.Bool
	noMore     atomic.Bool    // nothing more may be read
	drained    chan struct{}  // closed when no call runs any more
	background sync.WaitGroup // goroutines that bound the time of a stage

	cancelOnce sync.Once
	cancels    chan struct{} // closed by Run.Cancel

	mu       sync.Mutex
	cause    error // why the run stops; the first wins. Guarded by mu
	canceled error // by Run.Cancel; guarded by mu
}

// stage is a context that the stopper can end.
type stage struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
}

func newStopper(ctx context.Context, opts Options, log *runLog) *stopper {
	s := &stopper{
		runID: opts.RunID, drain: opts.DrainTimeout, log: log,
		drained: make(chan struct{}), cancels: make(chan struct{}),
	}
	s.outer, _ = ctx.Value(infoKey{}).(*callContext)
	s.run = newStage(ctx)
	s.read = newStage(s.run.ctx)
	s.input = newStage(s.read.ctx)
	s.calls = callStage(ctx)
	_, s.timed = ctx.Deadline()
	s.sinks, s.save = detached(ctx), detached(ctx)
	return s
}

// newStage returns a stage that ends with ctx.
func newStage(ctx context.Context) stage {
	ctx, cancel := context.WithCancelCause(ctx)
	return stage{ctx, cancel}
}

// addValues gives all stages the values of another context, before the run works.
func (s *stopper) addValues(values context.Context) {
	for _, st := range []*stage{&s.run, &s.read, &s.input, &s.calls, &s.sinks, &s.save} {
		st.ctx = &withValues{st.ctx, values} //nolint:fatcontext // of each stage once
	}
}

// detached returns a stage with the values of ctx that does not end with it.
func detached(ctx context.Context) stage { return newStage(context.WithoutCancel(ctx)) }

// callStage is detached, but keeps the deadline of ctx: calls can see how much time they have.
func callStage(ctx context.Context) stage {
	deadline, ok := ctx.Deadline()
	if !ok {
		return detached(ctx)
	}
	limited, release := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	s := newStage(limited)
	return stage{s.ctx, func(cause error) {
		s.cancel(cause)
		release()
	}}
}

// stop stops the run early: no reading, no new calls. Calls in flight get the drain timeout, or
// none if the run was canceled or its context ended. The first cause wins.
func (s *stopper) stop(cause error) {
	if !s.begin(cause) {
		return
	}
	s.read.cancel(cause)
	s.halt()
	s.log.stopping(cause)
	s.background.Go(func() { s.drainCalls(cause) })
	s.observer.phase(PhaseStopping, cause)
}

// begin reports whether cause is the first.
func (s *stopper) begin(cause error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Load() {
		return false
	}
	s.cause = cause
	s.stopping.Store(true)
	s.noMore.Store(true)
	return true
}

// late reports whether the deadline of the caller's context has passed, and then stops the run. The
// stop that follows the end of that context may come a few calls later, all of which would begin
// with a context that has ended.
func (s *stopper) late() bool {
	if !s.timed || s.calls.ctx.Err() == nil {
		return false
	}
	limit := time.NewTimer(maxLate)
	defer limit.Stop()
	select { // it has the same deadline, and perhaps a cause of its own
	case <-s.run.ctx.Done():
		s.stop(s.ended())
	case <-limit.C:
		s.stop(context.Cause(s.calls.ctx))
	}
	return true
}

// maxLate is how long a context may stay open after its deadline.
const maxLate = time.Second

// why returns the cause of the stop, nil if the run does not stop early.
func (s *stopper) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}

// cancelRun is Run.Cancel: it ends the run, unless the run stops for another reason that ends it.
func (s *stopper) cancelRun(cause error) {
	s.cancelOnce.Do(func() {
		if cause == nil {
			cause = ErrCanceled
		}
		if !matches(cause, ErrCanceled) {
			cause = &canceledError{cause}
		}
		s.mu.Lock()
		s.canceled = cause
		s.mu.Unlock()
		close(s.cancels)
		s.run.cancel(cause)
	})
}

// canceledError is the cause of a Cancel. It matches ErrCanceled too.
type canceledError struct{ error }

func (e *canceledError) Unwrap() error { return e.error }

// Is reports whether target is ErrCanceled.
func (e *canceledError) Is(target error) bool { return target == ErrCanceled }

// canceledBy returns the cause of the first Cancel, nil if there was none.
func (s *stopper) canceledBy() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.canceled
}

// ended returns why the context of the run has ended. A nested run does not match the errors of the
// run that it is nested in.
func (s *stopper) ended() error {
	cause := context.Cause(s.run.ctx)
	if s.outer != nil && s.outer.Err() != nil && s.canceledBy() == nil {
		return &itemCause{cause}
	}
	return cause
}

// drainCalls bounds the time that calls in flight have, and after that the time of writes if the
// run was canceled or its context ended.
func (s *stopper) drainCalls(cause error) {
	s.awaitDrain()
	select {
	case <-s.drained:
		return
	default:
	}
	s.calls.cancel(cause)
	select {
	case <-s.run.ctx.Done():
		s.bound(s.sinks, cause)
	case <-s.drained:
	}
}

// awaitDrain waits until no call runs any more, or until those that do must be interrupted: the
// drain timeout has passed, the run was canceled, or its context ended with another cause than
// ErrSuspended.
func (s *stopper) awaitDrain() {
	timer := time.NewTimer(s.drainTime())
	defer timer.Stop()
	over := s.run.ctx.Done()
	for {
		select {
		case <-s.drained:
			return
		case <-timer.C:
			return
		case <-s.cancels:
			return
		case <-over:
			if !matches(s.ended(), ErrSuspended) {
				return
			}
			over = nil
		}
	}
}

// drainTime is how long calls in flight may take: the drain timeout, and at most half of the time
// until the deadline of the run's context, so that results can be saved before it.
func (s *stopper) drainTime() time.Duration {
	deadline, ok := s.calls.ctx.Deadline()
	if !ok {
		return s.drain
	}
	return max(0, min(s.drain, time.Until(deadline)/2))
}

// bound ends a stage after the drain timeout, unless it ends before.
func (s *stopper) bound(st stage, cause error) {
	timer := time.NewTimer(s.drain)
	defer timer.Stop()
	select {
	case <-timer.C:
		st.cancel(cause)
	case <-st.ctx.Done():
	}
}

// onCancel calls f when the context of the run ends. The returned function disarms that, and waits
// while f runs.
func (s *stopper) onCancel(f func(cause error)) (disarm func()) {
	called := make(chan struct{})
	stop := context.AfterFunc(s.run.ctx, func() {
		defer close(called)
		f(s.ended())
	})
	return func() {
		if !stop() {
			<-called
		}
	}
}

// boundSaving bounds the time of the save stage once the context of the run ends. The returned
// function disarms that.
func (s *stopper) boundSaving() (disarm func()) {
	return s.onCancel(func(cause error) { s.background.Go(func() { s.bound(s.save, cause) }) })
}

// release ends every stage.
func (s *stopper) release(cause error) {
	for _, st := range []stage{s.run, s.calls, s.sinks, s.save} {
		st.cancel(cause)
	}
}
