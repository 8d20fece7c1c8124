package coord

import (
	"math"

	"github.com/go-dmap/dmap/internal/tolerance"
)

// Shares of the tolerance. The failures that leases have reported, and the shares of all open
// leases, are never more than the tolerated failures when a lease starts. Each lease returns once
// it exceeds its share. So the failures of a run exceed a Count by at most one for each lease in
// flight, and one for each of their calls in flight.
//
// A percentage is shared as a percentage: a lease returns once its failures exceed it by more than
// its share of the failures that the totals still allow. It may do so by at least one for each of
// its slots, or leases would return all the time before there are totals. This adds as many to the
// bound.

func (s *State) limits() tolerance.Limits {
	t := s.Control.Tolerance
	return tolerance.Limits{Count: t.Count, Percentage: t.Percentage, MinItems: t.MinItems}
}

// sample is what leases have reported. ended says that all have, and nothing is unread.
func (s *State) sample(ended bool) tolerance.Sample {
	var others *tolerance.Redrive
	if s.Redrive != nil {
		others = &s.Redrive.Others
	}
	out := tolerance.SampleOf(s.Totals(), others)
	out.ReadAll, out.Ended = ended, ended
	return out
}

// pot is an amount that is shared.
type pot struct {
	left   int64 // without all shares
	shared int64
	floor  int64 // each share has this in any case
}

// share is the share of one of n leases. ok is false if leases must return before another one
// starts.
func (p pot) share(n int) (share int64, ok bool) {
	if p.left < 0 && p.shared > 0 {
		return 0, false
	}
	return max(p.floor, p.left/int64(2*n)), true
}

// unlimited is the share of a lease that began without a limit.
const unlimited = 1 << 50

func (o *Open) failuresLeft() int64 {
	if o.Shares.Failures < 0 {
		return unlimited
	}
	return max(0, o.Shares.Failures-o.Reported.NowFailed())
}

// countPot has the failures that a count tolerates, beside the shares of all leases but one; ok is
// false if no count is set.
func (s *State) countPot(but *Open) (p pot, ok bool) {
	l := s.limits()
	if l.Count == 0 && l.Percentage > 0 {
		return pot{}, false
	}
	failed, _, _ := s.sample(false).Judged()
	p.left = l.Count - failed
	for i := range s.Open {
		if o := &s.Open[i]; o != but && !o.sharesEnd() {
			p.left -= o.failuresLeft()
			p.shared += o.failuresLeft()
		}
	}
	return p, true
}

// percentPot has the failures that a percentage tolerates by now, beside the shares of all leases
// but one; ok is false if no percentage is set.
func (s *State) percentPot(but *Open) (p pot, ok bool) {
	l := s.limits()
	if l.Percentage == 0 || l.Percentage >= 100 {
		return pot{}, false
	}
	failed, of, _ := s.sample(false).Judged()
	p.floor = int64(s.Control.slots(0))
	p.left = int64(math.Floor(float64(max(of, l.Sample()))*l.Percentage/100)) - failed
	for i := range s.Open {
		if o := &s.Open[i]; o != but && !o.sharesEnd() {
			above := max(0, o.Shares.Above-p.floor)
			p.left -= above
			p.shared += above
		}
	}
	return p, true
}

// sharesOf returns the shares of the next attempt of o; ok is false if other leases have all of
// them.
func (s *State) sharesOf(o *Open) (shares Shares, ok bool) {
	if o.Attempt > 0 && !o.sharesEnd() {
		return o.Shares, true // they are for all attempts
	}
	n := s.Control.Capacity()
	shares.Failures = -1
	if p, limited := s.countPot(o); limited {
		share, ok := p.share(n)
		if !ok {
			return Shares{}, false
		}
		shares.Failures = o.Reported.NowFailed() + share
	}
	if p, limited := s.percentPot(o); limited {
		share, ok := p.share(n)
		if !ok {
			return Shares{}, false
		}
		shares.Percentage, shares.Above = s.Control.Tolerance.Percentage, share+o.above()
	}
	if shares.Enough, ok = s.enoughShare(o); !ok {
		return Shares{}, false
	}
	shares.Budget, ok = s.budgetShare(o)
	return shares, ok
}

// above is the number of failures beyond the percentage that an unfinished lease has reported.
func (o *Open) above() int64 {
	settled := o.Reported.Succeeded + o.Reported.NowFailed()
	return max(0, o.Reported.NowFailed()-int64(float64(settled)*o.Shares.Percentage/100))
}

// exceeded reports whether the totals exceed the tolerance.
func (s *State) exceeded(ended bool) bool { return s.limits().ExceededBy(s.sample(ended)) }
