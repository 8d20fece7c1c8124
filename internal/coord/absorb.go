package coord

import (
	"time"

	"github.com/go-dmap/dmap/internal/journal"
)

const (
	absorbMany = 250              // leases that a root record takes in at once, usually
	absorbMost = 1_000            // and at most
	absorbAge  = 60 * time.Second // after which fewer are enough
)

// Absorb returns a task, if enough leases have returned or the others wait for it.
func (s *State) Absorb(now time.Time) (AbsorbTask, bool) {
	n, a := len(s.Finished), &s.Absorbing
	if n == 0 || a.Leases > 0 || s.Draining || s.End != nil && s.End.Why == Fenced {
		return AbsorbTask{}, false
	}
	last := s.End != nil && s.InFlight() == 0
	if n < absorbMany && !last && s.age(now) < a.Since+absorbAge {
		return AbsorbTask{}, false
	}
	a.Task++
	a.Leases = min(n, absorbMost)
	return AbsorbTask{Task: a.Task, Leases: append([]Finished(nil), s.Finished[:a.Leases]...)}, true
}

// Absorbed records that a root record has the leases of a task. counts are those of its Unreported
// leases.
func (s *State) Absorbed(task int64, counts journal.Counts, now time.Time) Outcome {
	a := &s.Absorbing
	if task != a.Task || a.Leases == 0 {
		return Repeated
	}
	s.Counts.Add(counts)
	s.Finished = append([]Finished(nil), s.Finished[a.Leases:]...)
	a.Leases, a.Since = 0, s.age(now)
	return Accepted
}

// AbsorbLost records that a task has no result. Its leases are part of the next task.
func (s *State) AbsorbLost(task int64) Outcome {
	a := &s.Absorbing
	if task != a.Task || a.Leases == 0 {
		return Repeated
	}
	a.Leases = 0
	return Accepted
}
