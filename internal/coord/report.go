package coord

import (
	"fmt"
	"time"

	"github.com/go-dmap/dmap/internal/lease"
)

const maxAttempts = 200 // of a lease, after which the run cannot continue

// refer finds the lease of ref, whose last given attempt it must name.
func (s *State) refer(ref lease.Ref) (int, Outcome) {
	if ref.Era != s.Era {
		return -1, OtherEra
	}
	i := s.find(ref.Lease)
	switch {
	case ref.Lease < 0 || ref.Lease >= s.Next || ref.Attempt < 1:
		return -1, Unknown
	case i < 0:
		return -1, Repeated
	case ref.Attempt > s.Open[i].Attempt:
		return -1, Unknown
	case ref.Attempt < s.Open[i].Attempt:
		return -1, Superseded
	default:
		return i, Accepted
	}
}

// Report records what a worker says about its lease. After Lost it still counts, unless the next
// attempt was given.
func (s *State) Report(r lease.Report, now time.Time) Outcome {
	i, outcome := s.refer(r.Ref)
	if outcome != Accepted {
		return outcome
	}
	at := s.age(now)
	o := &s.Open[i]
	r.Rest = withoutShed(o, r.Rest)
	if !o.Held && !o.Unsure {
		return Repeated
	}
	if r.Reason == lease.Fenced { // it may know nothing of its lanes
		s.Stop(End{Why: Fenced})
		s.lose(i, at)
		return Accepted
	}
	if check(o, r) != nil {
		s.lose(i, at)
		return Invalid
	}
	r.Spent.Called = int64(r.Worked)
	s.Spent = s.Spent.Plus(r.Spent)
	s.Call = meanCall(s.Call, r.Worked, r.Counts.Calls-o.Reported.Calls)
	s.move(r)
	switch full := weights(r.Rest) > max(s.room(), 0)+o.reserved(); {
	case (r.Unfinished || full) && s.End == nil && r.Reason != lease.Fatal:
		o.Reported, o.Held, o.Unsure, o.Until = r.Counts, false, false, at
	default:
		s.finish(i, r)
	}
	s.judge(r)
	s.divide()
	return Accepted
}

// finish closes a lease.
func (s *State) finish(i int, r lease.Report) {
	o := s.Open[i]
	if s.idle() && !o.Shed && len(r.Rest) > 0 { // one that is done has not looked
		s.Probe = nextProbe(s.probe(), len(r.Rest) > len(o.Splits))
	}
	s.Counts.Add(r.Counts)
	s.close(i, true)
	var rest []Piece
	for _, split := range r.Rest {
		items := o.Items
		if items > 0 {
			items = max(1, (items-r.Counts.Taken-r.Counts.Again)/int64(len(r.Rest)))
		}
		rest = append(rest, Piece{Split: split, Items: items, Part: o.Part / float64(len(r.Rest))})
	}
	if s.ordered() {
		s.Queue = append(rest, s.Queue...)
		if s.used().Taken >= s.MaxItems {
			s.Queue = nil
		}
		return
	}
	s.Queue = append(s.Queue, rest...)
}

// Lost records that the worker of an attempt is gone. The next attempt waits, the longer the more
// often the lease was lost.
func (s *State) Lost(ref lease.Ref, now time.Time) Outcome {
	i, outcome := s.refer(ref)
	switch {
	case outcome != Accepted:
		return outcome
	case !s.Open[i].Held:
		return Repeated
	}
	s.lose(i, s.age(now))
	return Accepted
}

func (s *State) lose(i int, at time.Duration) {
	o := &s.Open[i]
	o.Held, o.Unsure = false, true
	o.Lost++
	o.Until = at + backOff(o.Lost)
	s.divide()
	if s.End != nil {
		s.close(i, false)
	} else if o.Lost >= maxAttempts {
		s.end(End{Why: Failed, Error: fmt.Sprintf("lease %d was lost %d times", o.Lease, o.Lost)})
	}
}
