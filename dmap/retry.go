package dmap

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/go-dmap/dmap/internal/guard"
)

// Defaults of Retry, as in Step Functions but for the jitter, which it has off.
const (
	defaultRetryInitial = time.Second
	defaultRetryFactor  = 2.0
	defaultRetryMax     = time.Minute
)

// Retry says how often and when a failed item is called again. The zero Retry calls only throttled
// items again (see [Throttled]). An item that waits for its retry
// uses no slot, and fresh items start meanwhile until both 10,000 items and 16 retry calls for each
// slot wait, or 256 MiB: the [Item.Size] of the waiting items, and 700 bytes for each. At this
// bound reading pauses until some retries have started, and [Stats.ReadingPaused] says so.
//
// The wait after attempt n is Initial * Factor^(n-1), at most Max; with jitter it is a random
// duration between zero and that, as in JitterStrategy FULL of Step Functions. An error may ask for
// a longer wait by RetryAfter. Errors marked by Permanent, panics and Goexit are final, and so is
// an error that Retryable rejects.
type Retry struct {
	MaxAttempts int           `json:"maxAttempts,omitempty"` // calls per item in all; 0 and 1: no retry
	Initial     time.Duration `json:"initial,omitempty"`     // 0: 1 s
	Factor      float64       `json:"factor,omitempty"`      // at least 1; 0: 2
	Max         time.Duration `json:"max,omitempty"`         // 0: 1 minute
	NoJitter    bool          `json:"noJitter,omitempty"`    // wait exactly the computed time

	// ThrottledFor is the time that an item may be throttled for, from its first throttled attempt
	// in this process on, without the time of a Pause. Until then throttled attempts do not count
	// for MaxAttempts. After it, or if the server asks for a longer wait than remains, the item
	// fails with an error of class "throttled". The wait after a throttled attempt is what the
	// server asks for and up to a quarter more, or the wait above, if it does not ask. 0: one hour.
	// Negative: throttled attempts count as all others.
	ThrottledFor time.Duration `json:"throttledFor,omitempty"`

	// Retryable may reject errors; nil accepts all that are not final anyway. Called from many
	// goroutines.
	Retryable func(error) bool `json:"-"`
}

func (r Retry) validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("dmap: Options.Retry."+format, args...))
		}
	}
	check(r.MaxAttempts >= 0, "MaxAttempts %d is negative", r.MaxAttempts)
	check(r.Initial >= 0, "Initial %v is negative", r.Initial)
	check(r.Factor == 0 || r.Factor >= 1 && !math.IsInf(r.Factor, 0), "Factor %v: want at least 1, or 0 for %v", r.Factor, defaultRetryFactor)
	check(r.Max >= 0, "Max %v is negative", r.Max)
	return errors.Join(errs...)
}

// again reports whether an item that failed its n-th attempt (from 1) with err is called once more,
// and after which wait. chance is a random number in [0, 1).
func (r Retry) again(n int, err error, chance float64) (wait time.Duration, ok bool) {
	if n >= r.MaxAttempts || final(err) || r.Retryable != nil && !r.Retryable(err) {
		return 0, false
	}
	wait = r.backoff(n)
	if !r.NoJitter {
		wait = time.Duration(chance * float64(wait))
	}
	if asks, ok := guard.ChainAs[interface{ RetryAfter() time.Duration }](err); ok {
		wait = max(wait, asks.RetryAfter())
	}
	return wait, true
}

// backoff is the wait after attempt n before jitter.
func (r Retry) backoff(n int) time.Duration {
	initial, factor, most := r.Initial, r.Factor, r.Max
	if initial == 0 {
		initial = defaultRetryInitial
	}
	if factor == 0 {
		factor = defaultRetryFactor
	}
	if most == 0 {
		most = defaultRetryMax
	}
	wait := float64(initial) * math.Pow(factor, float64(n-1))
	return time.Duration(min(wait, float64(most))) // min also catches +Inf
}

// final reports whether no retry can help.
func final(err error) bool {
	_, permanent := guard.ChainAs[*permanentError](err)
	_, panicked := guard.ChainAs[*PanicError](err)
	return permanent || panicked || guard.ChainIs(err, ErrGoexit) || guard.ChainIs(err, ErrStuck)
}
