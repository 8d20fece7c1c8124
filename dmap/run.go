package dmap

import (
	"fmt"
)

// Run is a run in progress. Its methods are safe for concurrent use, also after its end.
type Run struct {
	control control
}

// control is an engine without its type parameters.
type control interface {
	id() string
	stats() Stats
	times() Times
	written() int64
	oldest(n int) []InFlightCall
	setLimit(n int)
	setRate(r Rate)
	setTolerance(t Tolerance)
	setPaused(p bool)
	cancel(cause error)
	suspend()
	ended() <-chan struct{}
	outcome() (Stats, error)
}

// ID returns the run's ID.
func (r *Run) ID() string { return r.control.id() }

// Stats returns the counts so far, or the final ones.
func (r *Run) Stats() Stats { return r.control.stats() }

// Times says how this process has spent its time on the run so far.
func (r *Run) Times() Times { return r.control.times() }

// Written is the number of bytes of results that the sinks have stored in this process, as far as
// they say it: see [WrittenSink].
func (r *Run) Written() int64 { return r.control.written() }

// InFlight returns the n calls that run for the longest time, the longest first; fewer if fewer
// run. It looks at every running call, so it is meant for a few calls a second.
func (r *Run) InFlight(n int) []InFlightCall { return r.control.oldest(n) }

// SetMaxConcurrency changes the limit, 1 to 10,000. A lower one takes effect as calls return: none
// is interrupted.
func (r *Run) SetMaxConcurrency(n int) error {
	if n < 1 || n > maxConcurrency {
		return fmt.Errorf("dmap: concurrency %d: want 1 to %d", n, maxConcurrency)
	}
	r.control.setLimit(n)
	return nil
}

// SetRate changes the rate, also for the calls that wait already. The zero Rate ends the limit. A
// run that resumes starts with Options.Rate.
func (r *Run) SetRate(rate Rate) error {
	if err := rate.validate(); err != nil {
		return err
	}
	r.control.setRate(rate)
	return nil
}

// SetTolerance changes the tolerance and judges the failures so far by it at once.
func (r *Run) SetTolerance(t Tolerance) error {
	if err := t.validate(); err != nil {
		return err
	}
	r.control.setTolerance(t)
	return nil
}

// Pause starts no more calls, neither first ones nor retries, until Resume. Calls in flight
// continue.
func (r *Run) Pause() { r.control.setPaused(true) }

// Resume ends a Pause.
func (r *Run) Resume() { r.control.setPaused(false) }

// Cancel interrupts the calls in flight and ends the run: no call with the same RunID resumes it,
// only a redrive that allows it. Wait returns an error that matches ErrCanceled, and cause unless
// it is nil. To stop a run that is to be resumed use Suspend, or end the context given to Start.
// Cancel does not wait.
func (r *Run) Cancel(cause error) { r.control.cancel(cause) }

// Suspend stops the run and leaves it open: no new call starts, calls in flight get
// Options.DrainTimeout to return, settled items are committed, and Wait returns ErrSuspended. It
// does not wait.
func (r *Run) Suspend() { r.control.suspend() }

// Done is closed when the run has ended and nothing of it runs any more.
func (r *Run) Done() <-chan struct{} { return r.control.ended() }

// Wait returns what Map returns, when the run has ended.
func (r *Run) Wait() (Stats, error) { return r.control.outcome() }
