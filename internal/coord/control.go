package coord

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// Limits of one coordinator.
const (
	MaxLeases   = 1_000                   // in flight
	MaxPerLease = 10_000                  // calls at once of a lease, as of a dmap.Map
	MaxLimit    = MaxLeases * MaxPerLease // calls at once
)

// Control has the settings of a run that people change while it runs.
type Control struct {
	Limit     int            `json:"limit"`    // calls at once in the whole run, 1 to MaxLimit
	PerLease  int            `json:"perLease"` // calls at once of a lease at most, 1 to MaxPerLease
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
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Limit >= 1 && c.Limit <= MaxLimit, "MaxConcurrency %d: want 1 to %d", c.Limit, MaxLimit)
	check(c.PerLease >= 1 && c.PerLease <= MaxPerLease, "PerLease %d: want 1 to %d", c.PerLease, MaxPerLease)
	t, r, b := c.Tolerance, c.Rate, c.Budget
	check(t.Count >= 0 && t.MinItems >= 0 && t.BrokenObjects >= 0,
		"Tolerance: Count %d, MinItems %d, BrokenObjects %d: one is negative", t.Count, t.MinItems, t.BrokenObjects)
	check(t.Percentage >= 0 && t.Percentage <= 100, "Tolerance.Percentage %v: want 0 to 100", t.Percentage)
	check(r.Calls >= 0 && r.Items >= 0 && !math.IsInf(r.Calls+r.Items, 0),
		"Rate: %v calls and %v items a second: want numbers from 0 on", r.Calls, r.Items)
	check(r.Burst >= 0, "Rate.Burst %d is negative", r.Burst)
	check(b.Calls >= 0 && b.Bytes >= 0 && b.Units >= 0 && b.Time >= 0, "Budget %+v: a field is negative", b)
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
