package dmap

import "fmt"

// What Run offers, without T and R.

func (e *engine[T, R]) id() string             { return e.opts.RunID }
func (e *engine[T, R]) cancel(cause error)     { e.cancelRun(cause) }
func (e *engine[T, R]) suspend()               { e.stop(ErrSuspended) }
func (e *engine[T, R]) setLimit(n int)         { e.gate.SetLimit(n) }
func (e *engine[T, R]) setPaused(paused bool)  { e.gate.SetPaused(paused) }
func (e *engine[T, R]) ended() <-chan struct{} { return e.done }

func (e *engine[T, R]) setTolerance(t Tolerance) {
	e.tolerance.Store(&t)
	select {
	case <-e.over:
	default:
		e.judge()
	}
}

func (e *engine[T, R]) stats() Stats {
	select {
	case <-e.done:
		e.mu.Lock()
		defer e.mu.Unlock()
		s := e.final
		return s
	default:
		return e.running()
	}
}

// running is the state of a run that goes on. Settled items are counted before read ones, so that Pending is never negative.
func (e *engine[T, R]) running() Stats {
	s := Stats{RunID: e.opts.RunID, Started: e.started, Elapsed: e.before + e.sinceStart(), Truncated: e.truncated.Load()}
	s.Skipped = e.counts.skipped.Load()
	s.Failed = e.counts.failed.Load()
	s.Succeeded = e.counts.successes()
	s.Calls, s.Retries = e.counts.calls.Load(), e.counts.retries.Load()
	s.Read = e.counts.read.Load()
	s.Pending = s.Read - s.Succeeded - s.Failed - s.Skipped
	s.Stuck = e.crew.stuckCalls() + int(e.counts.abandoned.Load())
	at := e.gate.State()
	s.InFlight, s.Waiting, s.Limit, s.Paused = at.Active, at.Waiting, at.Limit, at.Paused
	return s
}

func (e *engine[T, R]) outcome() (Stats, error) {
	<-e.done
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return e.final, inRun(e.opts.RunID, e.err)
	}
	return e.final, nil
}

// inRun is err as the caller gets it.
func inRun(id string, err error) error { return fmt.Errorf("dmap: run %s: %w", id, err) }
