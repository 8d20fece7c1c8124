package coord

import (
	"slices"
	"time"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
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
	if n < absorbMany && !last && s.age(now) < s.absorbDue() {
		return AbsorbTask{}, false
	}
	a.Task++
	a.Leases, a.At = min(n, absorbMost), s.age(now)
	return AbsorbTask{Task: a.Task, Leases: append([]Finished(nil), s.Finished[:a.Leases]...), Elapsed: s.unrecorded(now)}, true
}

// absorbDue is the age at which a few leases are taken in: later if the run seems to end soon, with
// a task that takes in all.
func (s *State) absorbDue() time.Duration {
	wait := absorbAge
	if s.Plan.Done && s.share() < absorbAge/4 && !slices.ContainsFunc(s.Queue, Piece.unknown) {
		wait *= 2
	}
	return s.Absorbing.Since + wait
}

// unrecorded is the time of the run that its records do not have.
func (s *State) unrecorded(now time.Time) time.Duration { return s.age(now) - s.Absorbing.Since }

// Absorption is what the machine that has carried out an AbsorbTask knows of the run.
type Absorption struct {
	journal.Counts              // of the Unreported leases of the task
	Failures       lease.Groups `json:"failures,omitempty"` // of the run, without leases that are not absorbed
}

// Absorbed records that a root record has the leases of a task.
func (s *State) Absorbed(task int64, found Absorption) Outcome {
	a := &s.Absorbing
	if task != a.Task || a.Leases == 0 {
		return Repeated
	}
	s.Counts.Add(found.Counts)
	s.Failures = known(found.Failures)
	s.Finished = append([]Finished(nil), s.Finished[a.Leases:]...)
	a.Leases, a.Since = 0, a.At
	return Accepted
}

// known are failures that a machine has found; nil if they cannot be right.
func known(f lease.Groups) lease.Groups {
	if !f.Valid() {
		return nil
	}
	return f
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
