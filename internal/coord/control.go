package coord

import (
	"errors"
	"fmt"
	"math"
	"time"

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

// Validate returns all errors of c.
func (c Control) Validate() error {
	var errs []error
	if c.Limit < 1 || c.PerLease < 1 {
		errs = append(errs, fmt.Errorf("coord: limit %d and %d calls of a lease: want at least 1", c.Limit, c.PerLease))
	}
	if t := c.Tolerance; t.Count < 0 || t.MinItems < 0 || t.BrokenObjects < 0 || !(t.Percentage >= 0 && t.Percentage <= 100) {
		errs = append(errs, fmt.Errorf("coord: tolerance %+v", t))
	}
	if r := c.Rate; !(r.Calls >= 0 && r.Items >= 0) || math.IsInf(r.Calls+r.Items, 0) || r.Burst < 0 {
		errs = append(errs, fmt.Errorf("coord: rate %+v", r))
	}
	return errors.Join(errs...)
}

// Capacity is the number of leases that use the limit together: as many as PerLease needs, or up to
// a quarter more if equal leases then use more of the limit.
func (c Control) Capacity() int {
	least := max(1, min(MaxLeases, (c.Limit+c.PerLease-1)/c.PerLease))
	best := least
	for n := least + 1; n <= min(MaxLeases, least+least/4) && c.Limit%best > 0; n++ {
		if c.Limit%n < c.Limit%best {
			best = n
		}
	}
	return best
}

// short is the longest time of a lease that looks for ranges, unless the one before has found none.
func (c Control) short() time.Duration { return min(shortLease, shortTime(c.Capacity())) }

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
