package dmap

import (
	"context"
	"fmt"
	"time"
)

// defaultAbandonAfter is how long a source or a sink may ignore the end of its context if
// Options.AbandonAfter does not say.
const defaultAbandonAfter = 10 * time.Minute

// ignorance is how long sources and sinks may ignore the end of their contexts.
func (o Options) ignorance() time.Duration {
	if o.AbandonAfter > 0 {
		return o.AbandonAfter
	}
	return defaultAbandonAfter
}

// ignoredError says that a source or a sink was abandoned. It matches ErrStuck.
type ignoredError struct {
	what  string // such as "Write"
	limit time.Duration
}

func (e *ignoredError) Error() string {
	return fmt.Sprintf("%s still ran %v after the end of its context and was abandoned: see Options.AbandonAfter", e.what, e.limit)
}

// Is reports whether target is ErrStuck.
func (e *ignoredError) Is(target error) bool { return target == ErrStuck }

// within is isolated for a call that gets ctx. A call that ignores the end of ctx for longer than
// limit is abandoned: f must not write to what the caller uses after that error.
func within(ctx context.Context, limit time.Duration, what string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		err := ErrGoexit
		defer func() { done <- err }()
		err = recovering(f)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return &ignoredError{what, limit}
	}
}

// awaitWorkers waits until no worker runs any more. It returns false if workers only wait for
// sinks that have ignored the end of their context for too long. It waits for every call of the
// function: the watchdog abandons those, if Options.AbandonAfter says so.
func (e *engine[T, R]) awaitWorkers() bool {
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		<-e.gate.Finished()
		e.workers.running.Wait()
	}()
	select {
	case <-finished:
		return true
	case <-e.stopper.sinks.ctx.Done():
	}
	limit := e.spec.Options.ignorance()
	ticks := time.NewTicker(max(limit/10, time.Millisecond))
	defer ticks.Stop()
	for ignored := time.Duration(0); ignored < limit; {
		select {
		case <-finished:
			return true
		case <-ticks.C:
			if ignored += max(limit/10, time.Millisecond); e.watchdog.calling() {
				ignored = 0
			}
		}
	}
	return false
}

// abandonSinks goes on without the sinks that still write, and without the journal, whose next
// record could not name what they have.
func (e *engine[T, R]) abandonSinks() {
	e.durable.dead.Store(true)
	for _, o := range e.sinks.list {
		if o.writing.Load() > 0 {
			o.dead.Store(true)
			e.sinks.fail("write", &ignoredError{"Write", e.spec.Options.ignorance()})
		}
	}
}
