package dmap

import (
	"time"
)

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

// abandonSinks continues without the sinks that still write, and without the journal, whose next
// record could not name their results.
func (e *engine[T, R]) abandonSinks() {
	e.durable.dead.Store(true)
	for _, o := range e.sinks.list {
		if o.writing.Load() > 0 {
			o.dead.Store(true)
			e.sinks.fail("write", &ignoredError{"Write", e.spec.Options.ignorance()})
		}
	}
}
