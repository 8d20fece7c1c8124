package coord

import (
	"slices"
	"time"

	"github.com/go-dmap/dmap/internal/lease"
)

// Slots. Each slot of the limit counts for one lease that a worker has, or it is free. A process
// keeps most slots of a lease that returns, for its other leases, so that few of them are idle
// while its last calls run: see lease.Moved. A new lease then begins with the few slots that are
// free, and gets those of the next lease of its process that ends.

// slots is the number of slots that a lease begins with: the free ones are for all leases that may
// start now. When few remain at the end of a run they get more than usual.
func (s *State) slots() int {
	most := s.Grant.Usual
	if s.Plan.Done && s.Plan.Planned {
		most *= 3
	}
	return max(1, min(most, s.free()/max(1, min(len(s.Queue), s.Control.Capacity()-s.busy()))))
}

// regrant begins a new edition of the grant: all leases that read share the limit evenly.
func (s *State) regrant() {
	n, calls := s.use()
	usual := max(1, min(s.Control.slots(n), (s.Control.Limit-calls)/max(n, 1)))
	s.Grant, s.Raised = lease.Grant{Edition: s.Grant.Edition + 1, Usual: usual}, nil
	for i := range s.Open {
		if o := &s.Open[i]; o.Held && !o.Shed {
			o.Slots = usual
		}
	}
}

// move counts slots of a lease that has returned for the leases that have them now. A lease may
// report slots that it has got from another one before the report of that one comes: until then
// they count twice.
func (s *State) move(r lease.Report) {
	if r.Edition != s.Grant.Edition {
		return
	}
	for _, m := range r.Moved {
		if i := s.find(m.Lease); i >= 0 && m.Lease != r.Lease && s.Open[i].Held && s.Open[i].Attempt == m.Attempt {
			s.Open[i].Slots = min(s.Open[i].Slots+m.Slots, s.Control.Limit)
		}
	}
}

// movable refuses moves that cannot be right.
func movable(moved []lease.Moved) bool {
	return len(moved) <= lease.MostMoved && !slices.ContainsFunc(moved, func(m lease.Moved) bool {
		return m.Slots < 1 || m.Slots > MaxLimit
	})
}

// spread gives free slots to leases that have less than half of the usual number, if no other lease
// may start, and enough are free for it. After an edit of the limit had more leases than fit share
// it, it begins another edition as soon as they may have more, if none gets fewer: others would use
// its slots while its calls still run.
func (s *State) spread() {
	n, calls := s.use()
	usual := s.Grant.Usual
	if usual < s.Control.slots(0) {
		usual = max(usual, min(s.Control.slots(n), (s.Control.Limit-calls)/max(n, 1)))
	}
	if usual > s.Grant.Usual && s.most() <= usual {
		s.regrant()
		return
	}
	if s.End != nil || s.busy() < s.Control.Capacity() && len(s.Queue) > 0 {
		return
	}
	free, few, least := s.free(), usual/2, s.leastFree()
	for i := range s.Open {
		if o := &s.Open[i]; o.Held && !o.Shed && o.Slots < few && free > least {
			more := min(free, usual-o.Slots)
			o.Slots += more
			free -= more
			s.raise(o, more)
		}
	}
}

// most is the largest number of slots of a lease that an edition of the grant would change.
func (s *State) most() (n int) {
	for i := range s.Open {
		if o := &s.Open[i]; o.Held && !o.Shed {
			n = max(n, o.Slots)
		}
	}
	return n
}

// leastFree is the number of slots that stay free, because new orders cost as much as a lease: half
// of the usual number, and with short calls up to an eighth of all. Leases with such calls end soon
// after they have got the orders, which takes a second.
func (s *State) leastFree() int {
	least := s.Grant.Usual / 2
	if s.Call > 0 && s.Call < time.Second {
		least = max(least, min(2*s.Grant.Usual, s.Control.Limit/8))
	}
	return least
}

// raise has the next orders say that a lease has more slots.
func (s *State) raise(o *Open, more int) {
	raised := slices.DeleteFunc(slices.Clone(s.Raised), func(r lease.Raised) bool {
		i := s.find(r.Lease)
		return i < 0 || !s.Open[i].Held || s.Open[i].Attempt != r.Attempt
	})
	i := slices.IndexFunc(raised, func(r lease.Raised) bool { return r.Lease == o.Lease })
	if i < 0 {
		raised, i = append(raised, lease.Raised{Lease: o.Lease, Attempt: o.Attempt}), len(raised)
	}
	raised[i].Slots += more
	s.Raised = raised
}
