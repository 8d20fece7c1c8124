// Package coord decides who works on which part of a run on many machines. It is a state machine
// without I/O and without a clock: its host, such as a workflow, passes events and times to it and
// carries out the tasks that it returns.
//
// The host calls Take, Plan and Absorb after each event, and whenever Wake says so, until they
// return no more. It shows Orders to the workers whenever they differ from the last ones. When Over
// reports true it finishes the run.
//
// The state is plain data. Its size follows the leases in flight and nothing else: unread ranges
// have a limit, by which the leases may return fewer of them, and the numbers of finished leases
// leave the state when a root record has taken in their lanes.
//
// A lease whose worker was lost runs again as its next attempt. The old worker may still make calls
// until it sees that its lane is sealed, so that the limit of calls at once holds for leases, and
// for calls except those of lost workers.
package coord

import (
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
)

// State is all that the coordinator knows. The zero State is of no use: see Begin.
type State struct {
	Era     int64     `json:"era"`
	Started time.Time `json:"started"`
	Control Control   `json:"control"`

	Queue Pieces `json:"queue,omitempty"`
	Open  []Open `json:"open,omitempty"` // leases that have not returned, in order of their numbers
	Next  int64  `json:"next"`           // number of the next lease
	Plan  Plan   `json:"plan,omitzero"`
	// MaxItems ends the run after this number of items; 0: no limit. Without a plan the leases then
	// run one after the other, in order.
	MaxItems int64       `json:"maxItems,omitempty"`
	Total    dmap.Budget `json:"total,omitzero"`   // counts what Before has used, too
	Enough   int64       `json:"enough,omitempty"` // those of Before count; 0: no number ends the run

	Finished  []Finished `json:"finished,omitempty"` // leases that no root record has taken in
	Absorbing Absorbing  `json:"absorbing,omitzero"`
	// Failures are those of the run, without leases that no root record has taken in. Their size is
	// bounded, and they decide nothing.
	Failures lease.Groups `json:"failures,omitempty"`
	Spent    lease.Effort `json:"spent,omitzero"` // by attempts that have reported, for people

	Before  journal.Counts `json:"before,omitzero"` // of the run before this coordinator
	Redrive *Redrive       `json:"redrive,omitempty"`
	Counts  journal.Counts `json:"counts,omitzero"` // of finished leases
	Call    time.Duration  `json:"call,omitempty"`  // mean time of a call; 0: unknown
	Probe   time.Duration  `json:"probe,omitempty"` // time of a lease that looks for ranges
	Divisor int            `json:"divisor,omitempty"`
	Grant   lease.Grant    `json:"grant,omitzero"`
	// Raised are those of the last time that leases got free slots: orders that change without need
	// cost half a lease.
	Raised []lease.Raised `json:"raised,omitempty"`

	Draining bool `json:"draining,omitempty"`
	End      *End `json:"end,omitempty"`
}

// Open is a lease that has not returned.
type Open struct {
	Lease   int64 `json:"lease"`
	Attempt int   `json:"attempt"`        // the last one that was given; 0: none
	Held    bool  `json:"held,omitempty"` // a worker has that attempt. Else the next one waits
	Asked   bool  `json:"asked,omitempty"`
	Shed    bool  `json:"shed,omitempty"`   // it only finishes: Splits are those that were not given back
	Slots   int   `json:"slots,omitempty"`  // that count for it while it is Held
	Lost    int   `json:"lost,omitempty"`   // attempts
	Unsure  bool  `json:"unsure,omitempty"` // the last attempt was lost, and its counts are unknown
	Anew    bool  `json:"anew,omitempty"`   // the shares are by settings that no longer hold

	Splits []dmap.Split `json:"splits"`
	Items  int64        `json:"items,omitempty"` // of all splits; 0: unknown
	Part   float64      `json:"part,omitempty"`  // Piece.Part, of all splits
	Max    int64        `json:"max,omitempty"`   // Lease.Items
	Rest   int          `json:"rest,omitempty"`  // Lease.Rest
	Shares Shares       `json:"shares,omitzero"`

	Reported journal.Counts `json:"reported,omitzero"` // of the last attempt that returned unfinished

	Since time.Duration `json:"since,omitempty"` // the last attempt was given, after Started
	Until time.Duration `json:"until,omitempty"` // it reads; the next attempt starts no earlier, if it waits
}

// Shares are what a lease may use of the amounts of the run, over all of its attempts.
type Shares struct {
	Failures   int64       `json:"failures,omitempty"` // -1: no limit
	Percentage float64     `json:"percentage,omitempty"`
	Above      int64       `json:"above,omitempty"`
	Budget     dmap.Budget `json:"budget,omitzero"`
	Enough     int64       `json:"enough,omitempty"` // successes; 0: no limit
}

// age is the time since the coordinator began.
func (s *State) age(now time.Time) time.Duration { return max(0, now.Sub(s.Started)) }

// ordered reports whether leases run one after the other.
func (s *State) ordered() bool { return s.MaxItems > 0 && !s.Plan.Planned }

// InFlight is the number of leases that workers have.
func (s *State) InFlight() (n int) {
	for i := range s.Open {
		if s.Open[i].Held {
			n++
		}
	}
	return n
}

// use is the number of leases that read, and of the calls of those that only finish.
func (s *State) use() (n, calls int) {
	for i := range s.Open {
		switch o := &s.Open[i]; {
		case o.Held && o.Shed:
			calls += o.Slots
		case o.Held:
			n++
		}
	}
	return n, calls
}

// busy is the number of leases that use the limit. Those that only finish count by their calls.
func (s *State) busy() int {
	n, calls := s.use()
	slots := s.Control.slots(0)
	return n + (calls+slots-1)/slots
}

// free is the number of slots that count for no lease. It is negative for a while after an edit has
// lowered the limit.
func (s *State) free() int {
	n := s.Control.Limit
	for i := range s.Open {
		if o := &s.Open[i]; o.Held {
			n -= o.Slots
		}
	}
	return n
}

// full reports whether no other lease may start.
func (s *State) full() bool {
	n := s.Control.Capacity()
	return s.busy() >= n || s.InFlight() >= min(MaxLeases, 2*n) || s.free() < 1
}

// Totals are the counts of the run, as far as leases have reported them.
func (s *State) Totals() journal.Counts {
	n := s.used()
	n.Add(s.Before)
	return n
}

// used are the counts since the coordinator began.
func (s *State) used() journal.Counts {
	n := s.Counts
	for i := range s.Open {
		n.Add(s.Open[i].Reported)
	}
	return n
}

func (s *State) find(lease int64) int {
	for i := range s.Open {
		if s.Open[i].Lease == lease {
			return i
		}
	}
	return -1
}

// calls are those of a budget.
func calls(n journal.Counts) int64 { return n.Calls + n.Interrupted }
