package transient

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// The rule for all operations on stores: listings, reads, writes, commits and manifests.
//
//   - An attempt that makes no progress for the stall limit ends (ErrStalled). A whole attempt may
//     take that long and a second for every LeastRate bytes that it moves.
//   - After a transient error (see Classify), or a stall, the operation is repeated: Attempts times
//     in all, with growing waits, or as the store asks. No attempt begins more than Patience after
//     the first one began. Attempts of a source that a store throttles do not count, and its
//     requests slow down: see package requests.
//   - The error has the answer of the store to the last attempt, also where the SDK repeated that
//     until the limit.
//
// So an operation on a store that never answers, or is always busy, takes at most Patience and one
// stall limit. The SDKs repeat some requests within each attempt.
const (
	// Stall is the stall limit unless the user sets another one.
	Stall = time.Minute
	// LeastRate is the number of bytes a second of a store that is slow, and not stalled.
	LeastRate = 64 << 10
	// Patience is the time after which an operation is not begun again.
	Patience = 2 * time.Minute
	// ThrottledWait is the first wait after a throttled attempt, which grows up to
	// LongestThrottledWait.
	ThrottledWait        = 250 * time.Millisecond
	LongestThrottledWait = 10 * time.Second
)

// ErrStalled says that a store did not answer within the stall limit, or that a body gave no byte.
var ErrStalled = errors.New("the store does not answer")

// Limit ends an attempt that takes too long. It is safe for concurrent use.
type Limit struct {
	context.Context
	stall  time.Duration
	cancel context.CancelCauseFunc

	mu    sync.Mutex // guards what follows
	timer *time.Timer
	until time.Time
	moved int64 // bytes
}

// NewLimit returns the context of an attempt. A stall of 0 is no limit. End must be called.
func NewLimit(ctx context.Context, stall time.Duration) *Limit {
	l := &Limit{stall: stall}
	l.Context, l.cancel = context.WithCancelCause(ctx)
	if stall > 0 {
		l.until = time.Now().Add(stall)
		l.timer = time.AfterFunc(stall, l.expire)
	}
	return l
}

// expire ends the attempt, unless it has moved bytes meanwhile.
func (l *Limit) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if rest := time.Until(l.until.Add(timeFor(l.moved))); rest > 0 {
		l.timer.Reset(rest)
		return
	}
	l.cancel(ErrStalled)
}

func timeFor(bytes int64) time.Duration {
	return time.Duration(bytes/LeastRate)*time.Second + time.Duration(bytes%LeastRate)*time.Second/LeastRate
}

// Move gives the attempt more time, as it has moved n bytes. l may be nil.
func (l *Limit) Move(n int64) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.moved += n
}

// End releases the timer. It returns err, with ErrStalled if the attempt failed as it took too
// long.
func (l *Limit) End(err error) error {
	stalled := errors.Is(context.Cause(l.Context), ErrStalled)
	if l.timer != nil {
		l.timer.Stop()
	}
	l.cancel(nil)
	if err == nil || !stalled || errors.Is(err, ErrStalled) {
		return err
	}
	l.mu.Lock()
	given := (l.stall + timeFor(l.moved)).Truncate(time.Second)
	l.mu.Unlock()
	if !Answered(err) { // it says that a context ended, and no more
		return fmt.Errorf("%w within %v", ErrStalled, max(given, l.stall))
	}
	return fmt.Errorf("%w within %v: %w", ErrStalled, max(given, l.stall), err)
}
