package coord

import (
	"fmt"

	"github.com/go-dmap/dmap/dmap"
)

// MaxLeases is the most leases in flight of one coordinator.
const MaxLeases = 1_000

// Control has the settings of a run that people change while it runs.
type Control struct {
	Limit     int            `json:"limit"`    // calls at once in the whole run, at least 1
	PerLease  int            `json:"perLease"` // calls at once of a lease at most, at least 1
	Rate      dmap.Rate      `json:"rate,omitzero"`
	Tolerance dmap.Tolerance `json:"tolerance,omitzero"`
	// Budget counts from the time when the coordinator began. A host takes what remains of
	// Options.TotalBudget into it.
	Budget dmap.Budget `json:"budget,omitzero"`
	Paused bool        `json:"paused,omitempty"`
}

func (c Control) validate() error {
	if c.Limit < 1 || c.PerLease < 1 {
		return fmt.Errorf("coord: limit %d and %d calls of a lease: want at least 1", c.Limit, c.PerLease)
	}
	return nil
}

// Capacity is the number of leases that use the limit together.
func (c Control) Capacity() int {
	return max(1, min(MaxLeases, (c.Limit+c.PerLease-1)/c.PerLease))
}

// slots are the calls at once of each lease if n are in flight. A lease cannot end without a slot.
func (c Control) slots(n int) int { return max(1, c.Limit/max(c.Capacity(), n)) }

// divided is the share of the rate for one of n leases.
func divided(r dmap.Rate, n int) dmap.Rate {
	n = max(n, 1)
	r.Calls, r.Items = r.Calls/float64(n), r.Items/float64(n)
	if r.Burst > 0 {
		r.Burst = max(1, r.Burst/n)
	}
	return r
}
