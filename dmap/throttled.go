package dmap

import (
	"fmt"
	"time"

	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/throttle"
)

// Throttled says that a server refused the request of err because it gets too many. The item is
// called again, no sooner than after d, and that attempt does not count for [Retry.MaxAttempts]:
// see [Retry.ThrottledFor]. The whole run slows down, too. No call starts before d has passed, and
// then fewer calls run at once, unless [Options.NoAdapt] is set. A d of 0 or less says that the
// server does not tell how long to wait. The [Class] is "throttled". Throttled(nil, d) is nil.
//
// Package dmap/dmaphttp makes the error from an HTTP response.
func Throttled(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &throttledError{err, max(d, 0)}
}

type throttledError struct {
	error
	after time.Duration
}

func (e *throttledError) Unwrap() error { return e.error }

func (e *throttledError) RetryAfter() time.Duration { return e.after }

// Class returns "throttled".
func (e *throttledError) Class() string { return "throttled" }

// IsThrottled is the rule by which a run recognizes throttling if [Options.IsThrottled] is nil. An
// error in the chain of err
//   - was made by [Throttled], or
//   - has the HTTP status 429 or 503, in a method HTTPStatusCode() or HTTPCode() int, or in an
//     integer field Code or StatusCode, as the errors of the SDKs of AWS, Google and Azure have, or
//   - has a code of throttling of AWS, such as SlowDown, in a method ErrorCode() string, or
//   - is ResourceExhausted, as a status of gRPC or Connect or by the code of gocloud.
//
// The error of a run is not throttled: its items have had their time.
func IsThrottled(err error) bool {
	if err == nil {
		return false
	}
	if guard.PlainError(err) {
		return throttled(err)
	}
	is, _ := guard.Call(func() bool { return throttled(err) })
	return is
}

// throttled is IsThrottled for a caller that survives all that methods of err do.
func throttled(err error) bool {
	if _, nested := guard.ChainAs[*runError](err); nested {
		return false
	}
	return markedThrottled(err) || throttle.Is(err)
}

// markedThrottled reports whether err is, or wraps, an error of Throttled.
func markedThrottled(err error) bool {
	_, marked := guard.ChainAs[*throttledError](err)
	return marked
}

// throttles reports whether err tells that a server throttles, by the rules of the run.
func (o Options) throttles(err error) bool {
	if o.IsThrottled == nil {
		return throttled(err)
	}
	if _, nested := guard.ChainAs[*runError](err); nested {
		return false
	}
	return markedThrottled(err) || o.IsThrottled(err)
}

// throttledTooLong is the error of an item that was throttled for all of its time, or that a server
// wants to wait for longer.
type throttledTooLong struct {
	err   error
	calls int
	limit time.Duration
	asked time.Duration // 0: the time is over
}

func (e *throttledTooLong) Error() string {
	if e.asked > 0 {
		return fmt.Sprintf("throttled: the server asks for a wait of %v, and Retry.ThrottledFor allows %v: %s", e.asked, e.limit, errorText(e.err))
	}
	return fmt.Sprintf("throttled in %d calls for longer than %v (Retry.ThrottledFor): %s", e.calls, e.limit, errorText(e.err))
}

// Unwrap returns the last answer of the server.
func (e *throttledTooLong) Unwrap() error { return fromOutside(e.err) }

// Class returns "throttled".
func (e *throttledTooLong) Class() string { return "throttled" }

// throttleState is what a task knows about the throttling of its items.
type throttleState struct {
	times int           // throttled attempts
	since time.Duration // when the first of them ended: running time of the process
}

// defaultThrottledFor is the time that an item may be throttled for.
const defaultThrottledFor = time.Hour

// Waits for throttled items.
const (
	askedJitter  = 0.25 // of the wait that the server asked for is added at random
	patientTimes = 3    // throttled attempts after which the wait grows although the server asked for less
)

// throttledFor is the time that an item may be throttled for; 0: throttled attempts are as others.
func (r Retry) throttledFor() time.Duration {
	switch {
	case r.ThrottledFor == 0:
		return defaultThrottledFor
	case r.ThrottledFor < 0:
		return 0
	}
	return r.ThrottledFor
}

// throttledWait is the wait after the n-th throttled attempt of an item. asked is what the server
// asks for; chance is a random number in [0, 1).
func (r Retry) throttledWait(n int, asked time.Duration, chance float64) time.Duration {
	share := func(d time.Duration) time.Duration {
		if r.NoJitter {
			return d
		}
		return time.Duration(chance * float64(d))
	}
	if asked <= 0 {
		return share(r.backoff(n))
	}
	wait := asked
	if !r.NoJitter {
		wait += time.Duration(chance * askedJitter * float64(asked))
	}
	if n > patientTimes {
		wait = max(wait, share(r.backoff(n-patientTimes)))
	}
	return wait
}

// stillThrottled decides about an item after its n-th throttled attempt. spent is the time since
// the first. It is called again after wait, or it fails with the error.
func (r Retry) stillThrottled(err error, n int, spent, asked time.Duration, chance float64) (wait time.Duration, failed error) {
	limit := r.throttledFor()
	remaining := limit - spent
	switch {
	case remaining <= 0:
		return 0, &throttledTooLong{err: err, calls: n, limit: limit}
	case asked > remaining:
		return 0, &throttledTooLong{err: err, calls: n, limit: limit, asked: asked}
	}
	return min(r.throttledWait(n, asked, chance), remaining), nil
}
