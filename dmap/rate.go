package dmap

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/go-dmap/dmap/internal/gate"
)

// Rate bounds how many calls start in a second, retries included, and how many items these have.
// The zero Rate has no limit. With Map, where each call has one item, the lower limit holds.
//
// A call that waits for its time uses no slot, and its Timeout has not begun. An item that is not
// called, because it could not be read, does not count.
type Rate struct {
	Calls float64 `json:"calls,omitempty"` // of the function (batches, in MapBatch) a second; 0: no limit
	Items float64 `json:"items,omitempty"` // of calls a second; 0: no limit
	// Burst is the number of calls, and of items, that may start at once after a pause. A batch of
	// more items starts when the burst is complete, and those after it wait longer. 0: those of 10
	// ms, at least 1, which suits servers without a burst of their own.
	Burst int `json:"burst,omitempty"`
}

// usualBurst is the time, in seconds, whose calls may start at once if Rate.Burst does not say. A
// timer may be late by some milliseconds.
const usualBurst = 0.01

func (r Rate) validate() error {
	var errs []error
	check := func(name string, rate float64) {
		if rate < 0 || math.IsNaN(rate) || math.IsInf(rate, 0) {
			errs = append(errs, fmt.Errorf("dmap: Options.Rate.%s %v: want a number of at least 0; 0 is no limit", name, rate))
		}
	}
	check("Calls", r.Calls)
	check("Items", r.Items)
	if r.Burst < 0 {
		errs = append(errs, fmt.Errorf("dmap: Options.Rate.Burst %d is negative", r.Burst))
	}
	return errors.Join(errs...)
}

// String returns all limits, such as "50 calls a second, burst 5", or "no limit".
func (r Rate) String() string {
	var parts []string
	if r.Calls > 0 {
		parts = append(parts, fmt.Sprintf("%v calls a second", r.Calls))
	}
	if r.Items > 0 {
		parts = append(parts, fmt.Sprintf("%v items a second", r.Items))
	}
	if r.Burst > 0 {
		parts = append(parts, fmt.Sprintf("burst %d", r.Burst))
	}
	if len(parts) == 0 {
		return "no limit"
	}
	return strings.Join(parts, ", ")
}

// limits is the Rate for the gate.
func (r Rate) limits() gate.Rate {
	burst := func(rate float64) float64 {
		if r.Burst > 0 {
			return float64(r.Burst)
		}
		return max(1, rate*usualBurst)
	}
	limits := gate.Rate{Calls: r.Calls, Items: r.Items}
	if r.Calls > 0 {
		limits.CallsBurst = burst(r.Calls)
	}
	if r.Items > 0 {
		limits.ItemsBurst = burst(r.Items)
	}
	return limits
}
