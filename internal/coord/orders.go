package coord

import (
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/lease"
)

// Orders are what all workers with leases follow. They poll them each second.
type Orders struct {
	lease.Grant
	Raised []lease.Raised `json:"raised,omitempty"`
	Rate   dmap.Rate      `json:"rate,omitzero"`
	Paused bool           `json:"paused,omitempty"`
	All    bool           `json:"all,omitempty"` // all leases must return
	// Interrupt says that their calls in flight need not end.
	Interrupt bool    `json:"interrupt,omitempty"`
	Stop      []int64 `json:"stop,omitempty"` // these leases must return
}

// Orders returns those of now.
func (s *State) Orders() Orders {
	o := Orders{
		Grant: s.Grant, Raised: s.Raised, Rate: s.rate(), Paused: s.Control.Paused && s.End == nil,
		All: s.End != nil || s.Draining, Interrupt: s.End != nil && s.End.Why == Canceled,
	}
	for i := range s.Open {
		if s.Open[i].Held && s.Open[i].Asked {
			o.Stop = append(o.Stop, s.Open[i].Lease)
		}
	}
	return o
}

// rate is that of each lease.
func (s *State) rate() dmap.Rate {
	if s.Control.Rate == (dmap.Rate{}) {
		return dmap.Rate{}
	}
	return divided(s.Control.Rate, s.Divisor)
}

// divide sets the divisor of the rate: at least the leases in flight, and those that may start
// soon, because it takes two seconds until all leases follow another rate. It changes in steps, so
// that the workers get no new orders for each lease.
func (s *State) divide() {
	n := s.InFlight()
	switch capacity := s.Control.Capacity(); {
	case s.End != nil || s.ordered():
	case !s.Plan.Done:
		n = max(n, capacity)
	default:
		n = max(n, min(capacity, n+len(s.Queue)))
	}
	if n > s.Divisor || 2*n < s.Divisor {
		s.Divisor = max(1, n+n/4)
	}
}
