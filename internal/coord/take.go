package coord

import (
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/lease"
)

// Take returns a lease for a worker, if one may start. Otherwise it may ask leases in flight to
// return, or give them slots, which Orders then says.
func (s *State) Take(now time.Time) (lease.Lease, bool) {
	l, ok := s.tryTake(now)
	if !ok {
		s.spread()
	}
	return l, ok
}

func (s *State) tryTake(now time.Time) (lease.Lease, bool) {
	at := s.age(now)
	s.endByTime(at)
	s.endByEnough()
	if s.End != nil || s.Draining || s.Control.Paused || s.full() || s.backlogged() {
		return lease.Lease{}, false
	}
	reads := s.timeOf(at) // by all pieces that wait
	slots := s.slots()
	o, ok := s.next(at, reads)
	if !ok {
		return lease.Lease{}, false
	}
	o.Slots = slots
	return s.give(o, at, reads), true
}

// next returns the lease that a worker gets, with its shares: a lost one, or a new one.
func (s *State) next(at, reads time.Duration) (*Open, bool) {
	scarce := false
	for i := range s.Open {
		o := &s.Open[i]
		if o.Held || o.Until > at {
			continue
		}
		shares, ok := s.sharesOf(o)
		if ok {
			o.Shares, o.Anew = shares, false
			return o, true
		}
		scarce = true
	}
	if s.ordered() && len(s.Open) > 0 {
		return nil, false
	}
	if len(s.Queue) == 0 && !scarce {
		s.askIdle(at)
		return nil, false
	}
	shares, ok := s.sharesOf(&Open{})
	if !ok || scarce {
		s.askShares()
		s.endByBudget()
		return nil, false
	}
	return s.newLease(shares, reads), true
}

// newLease opens a lease with pieces of the queue, for a reading time.
func (s *State) newLease(shares Shares, reads time.Duration) *Open {
	pieces := s.Queue[:s.take(reads)]
	o := Open{Lease: s.Next, Splits: []dmap.Split{}, Shares: shares}
	known := true
	for _, p := range pieces {
		o.Splits = joined(o.Splits, p.Split)
		o.Items += p.Items
		o.Part += p.Part
		known = known && p.Items > 0
	}
	if !known {
		o.Items = 0
	}
	s.Queue = append([]Piece(nil), s.Queue[len(pieces):]...)
	if o.Rest = restOf(len(o.Splits), s.room()); s.Plan.Planned {
		o.Rest = len(o.Splits) // the planner divides, workers do not
	}
	if s.ordered() {
		o.Max = s.MaxItems - s.used().Taken
	}
	s.Next++
	s.Open = append(s.Open, o)
	return &s.Open[len(s.Open)-1]
}

// take is the number of pieces for the next lease.
func (s *State) take(reads time.Duration) int {
	if s.ordered() {
		return 1
	}
	if s.Queue[0].Items == 0 {
		return s.takeUnknown()
	}
	want := itemsIn(reads, s.Call, s.Control.slots(0))
	if s.Call == 0 {
		want = 0
	}
	n, items, last := 1, s.Queue[0].Items, s.Queue[0].Split
	apart := 0
	for ; n < len(s.Queue) && s.Queue[n].Items > 0 && items+s.Queue[n].Items/2 <= want; n++ {
		if !continues(last, s.Queue[n].Split) {
			apart++
		}
		if apart > len(s.Queue)/s.Control.Capacity()+1 {
			break
		}
		items += s.Queue[n].Items
		last = s.Queue[n].Split
	}
	return n
}

// takeUnknown shares a long queue of ranges among the leases.
func (s *State) takeUnknown() int {
	return min(len(s.Queue), maxRest, max(1, len(s.Queue)/s.Control.Capacity()))
}

// timeOf is the reading time of a lease that starts now.
func (s *State) timeOf(at time.Duration) time.Duration {
	t := leaseTime(at, s.Call)
	if !s.Plan.Planned || s.Call == 0 {
		return t
	}
	return tailTime(t, shortTime(s.Control.Capacity()), s.share(), s.Call, s.Plan.Done)
}

// share is the time that all leases together need for the known items of the queue.
func (s *State) share() time.Duration {
	var items int64
	for _, p := range s.Queue {
		items += p.Items
	}
	c := s.Control
	return time.Duration(float64(items) * float64(s.Call) / float64(c.Capacity()*c.slots(0)))
}

// give gives the next attempt of o to a worker.
func (s *State) give(o *Open, at, reads time.Duration) lease.Lease {
	switch {
	case s.Plan.Planned: // its items limit it, and the time only if calls take longer than before
		reads += reads / 2
	case s.idle() && !s.ordered():
		reads = min(reads, s.probe())
	}
	o.Attempt++
	o.Held, o.Asked, o.Shed, o.Since, o.Until = true, false, false, at, at+reads
	s.divide()
	l := lease.Lease{
		Ref:    lease.Ref{Lease: o.Lease, Attempt: o.Attempt, Era: s.Era},
		Splits: o.Splits, Rest: o.Rest, Items: o.Max, Time: reads,
		Failures: o.Shares.Failures, Percentage: o.Shares.Percentage, Above: o.Shares.Above, Budget: o.Shares.Budget,
		Enough: o.Shares.Enough,
	}
	if s.Redrive != nil {
		l.Redrive = s.Redrive.Number
	}
	l.Slots, l.Grant, l.Rate = o.Slots, s.Grant, s.rate()
	if left, _, ok := s.timeLeft(at); ok {
		l.Budget.Time = max(1, left)
	}
	return l
}

// idle reports whether another worker would find no piece.
func (s *State) idle() bool {
	return len(s.Queue) == 0 && s.Plan.Done && s.busy()+1 < s.Control.Capacity()
}
