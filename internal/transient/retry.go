package transient

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff is the exponential wait between attempts, with jitter: half of each wait is certain, the
// other half random, so that clients which failed together do not return together.
type Backoff struct {
	First time.Duration // the longest wait after the first failure; doubles with each further one
	Max   time.Duration // the longest wait of all; 0: no bound
}

// Delay returns the wait after a number of failures in a row: 0 after none. chance is a random
// number in [0, 1).
func (b Backoff) Delay(failures int, chance float64) time.Duration {
	if failures <= 0 {
		return 0
	}
	most := b.Max
	if most <= 0 {
		most = unbounded
	}
	longest := min(b.First, most)
	for n := 1; n < failures && longest < most; n++ {
		longest = min(2*longest, most)
	}
	return longest/2 + time.Duration(chance*float64(longest/2))
}

const unbounded = time.Duration(1 << 62) // it can be doubled once

// Wait sleeps for Delay, or for as long as err asks by a method RetryAfter, at most a minute. If
// ctx ends first it returns the cause. err may be nil.
func (b Backoff) Wait(ctx context.Context, failures int, err error) error {
	if ctx.Err() != nil { // select would choose at random between a timer of 0 and ctx
		return context.Cause(ctx)
	}
	timer := time.NewTimer(max(b.Delay(failures, rand.Float64()), askedWait(err)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Retry repeats an operation.
type Retry struct {
	Attempts int // at most; 0: until ctx ends
	// Patience is the time from the start of the first attempt on after which none is begun. 0: no
	// limit.
	Patience time.Duration
	Backoff  Backoff
	Again    func(error) bool // whether another attempt may help after this error
	// Free says that the attempt does not count for Attempts, only for Patience; nil: all count.
	Free func(error) bool
}

// Do calls op until it succeeds, fails for good or has failed Attempts times, or until Patience or
// ctx ends. It
// returns the number of attempts and the error of the last one. op runs on the caller's goroutine,
// at least once, also under a ctx that has ended.
func (r Retry) Do(ctx context.Context, op func() error) (attempts int, err error) {
	begin, free := time.Now(), 0
	for attempts = 1; ; attempts++ {
		err = op()
		if err != nil && r.Free != nil && r.Free(err) {
			free++
		}
		if err == nil || r.Attempts > 0 && attempts-free >= r.Attempts || ctx.Err() != nil || !r.Again(err) ||
			r.Patience > 0 && time.Since(begin) >= r.Patience {
			return attempts, err
		}
		if r.Backoff.Wait(ctx, attempts, err) != nil {
			return attempts, err
		}
	}
}
