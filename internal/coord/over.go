package coord

import (
	"time"

	"github.com/go-dmap/dmap/internal/lease"
)

const maxError = 1 << 10

// judge ends the run if a report is a reason to.
func (s *State) judge(r lease.Report) {
	switch {
	case r.Reason == lease.Fatal:
		s.Stop(End{Why: Failed, Error: r.Error})
	case s.End == nil && s.exceeded(false):
		s.end(End{Why: Tolerance})
	default:
		s.endIfDone()
	}
	s.endByEnough()
	s.endByBudget()
}

// Cancel ends the run.
func (s *State) Cancel() { s.Stop(End{Why: Canceled}) }

// Suspend ends the work on the run, and leaves the run open.
func (s *State) Suspend() { s.Stop(End{Why: Suspended}) }

// Stop ends the run for a reason that the host has found. Being fenced is more than any other
// reason.
func (s *State) Stop(e End) {
	e.Error = e.Error[:min(len(e.Error), maxError)]
	if e.Why == Fenced {
		s.End = nil
	}
	s.end(e)
}

// Drain asks all leases back, so that the host can stop for a while, or starts again.
func (s *State) Drain(on bool) { s.Draining = on }

// Quiet reports whether nothing is under way, so that the host can stop.
func (s *State) Quiet() bool { return s.InFlight() == 0 && s.Absorbing.Leases == 0 && !s.Plan.Busy }

// Over reports whether nothing of the run is under way, and why it has ended.
func (s *State) Over(now time.Time) (e End, over bool) {
	s.endIfDone()
	if s.End == nil || !s.Quiet() || len(s.Finished) > 0 && s.End.Why != Fenced {
		return End{}, false
	}
	e = s.spentNow()
	e.Elapsed = s.unrecorded(now)
	return e, true
}

// Wake returns the time when the host should ask again although nothing has happened.
func (s *State) Wake(now time.Time) (time.Time, bool) {
	at := s.age(now)
	var wake time.Duration
	add := func(t time.Duration) {
		if t > at && (wake == 0 || t < wake) {
			wake = t
		}
	}
	if len(s.Finished) > 0 && s.Absorbing.Leases == 0 {
		add(s.Absorbing.Since + 2*absorbAge)
	}
	if s.End == nil {
		if left, _, ok := s.timeLeft(at); ok {
			add(at + left)
		}
		add(s.Plan.Until)
		idle := len(s.Queue) == 0 && !s.full()
		for i := range s.Open {
			if o := &s.Open[i]; !o.Held {
				add(o.Until)
			} else if idle && !o.Asked && s.askable(o) {
				add(o.Since + s.probe())
			}
		}
	}
	return s.Started.Add(wake), wake > 0
}
