package dmap

import "time"

// The methods of Run, without T and R.

func (e *engine[T, R]) id() string             { return e.spec.RunID }
func (e *engine[T, R]) cancel(cause error)     { e.stopper.cancelRun(cause) }
func (e *engine[T, R]) suspend()               { e.stopper.stop(ErrSuspended) }
func (e *engine[T, R]) times() Times           { return e.workers.meter.times() }
func (e *engine[T, R]) written() int64         { return e.sinks.written() }
func (e *engine[T, R]) ended() <-chan struct{} { return e.done }

func (e *engine[T, R]) oldest(n int) []InFlightCall { return e.watchdog.oldest(n) }

func (e *engine[T, R]) setLimit(n int) {
	e.durable.edits.apply("MaxConcurrency", func() (from, to any) {
		from = e.gate.State().Limit
		e.gate.SetLimit(n)
		return from, n
	})
}

func (e *engine[T, R]) setRate(r Rate) {
	e.durable.edits.apply("Rate", func() (from, to any) {
		from = *e.rate.Swap(&r)
		e.gate.SetRate(r.limits())
		return from, r
	})
}

func (e *engine[T, R]) setPaused(paused bool) {
	e.durable.edits.apply("Paused", func() (from, to any) {
		from = e.gate.State().Paused
		e.gate.SetPaused(paused)
		return from, paused
	})
}

func (e *engine[T, R]) setTolerance(t Tolerance) {
	e.durable.edits.apply("Tolerance", func() (from, to any) { return *e.tally.tolerance.Swap(&t), t })
	select {
	case <-e.stopper.drained:
	default:
		e.judge()
	}
}

func (e *engine[T, R]) stats() Stats {
	select {
	case <-e.done:
		return e.final
	default:
		return e.running()
	}
}

// running returns the Stats of a run that has not ended.
func (e *engine[T, R]) running() Stats {
	s := Stats{
		RunID: e.spec.RunID, Started: e.spec.Started, Elapsed: e.durable.elapsedBefore + e.clock.now(),
		State: StateRunning, Resumed: e.spec.Resumed, Redrives: e.spec.Redrive,
	}
	e.tally.fill(&s)
	s.Units = e.spending.totalUnits()
	s.Stuck = e.watchdog.overdue()
	at := e.gate.State()
	s.InFlight, s.Limit, s.Paused = at.Active, at.Limit, at.Paused
	if s.AdaptedRate = at.Rate; at.Slots < at.Limit {
		s.AdaptedLimit = at.Slots
	}
	if s.Rate = *e.rate.Load(); !at.Until.IsZero() {
		s.BackOff = max(0, time.Until(at.Until))
	}
	s.SourceThrottled = e.reader.requests.Listing.Throttled() + e.reader.requests.Reading.Throttled()
	s.Waiting, s.Queued, s.ReadingPaused = at.Waiting.Items, at.Queued, at.Crowded
	return s
}

func (e *engine[T, R]) outcome() (Stats, error) {
	<-e.done
	return e.final, e.verdict.inRun(e.spec.RunID)
}
