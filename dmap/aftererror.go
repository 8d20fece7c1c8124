package dmap

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/go-dmap/dmap/internal/guard"
)

// afterError decides what an error of a call means for its item: it has failed, is skipped or
// held, or stays unsettled. Then it is called again after wait, or not in this run if wait is negative. A
// panic or a Goexit in a method of the error, or in Retryable, fails the item, and so does one that
// does not return.
func (s *workers[T, R]) afterError(err error, attempt int) (next state, wait time.Duration) {
	if s.opts.Retry.Retryable == nil && guard.PlainError(err) {
		return s.decide(err, attempt)
	}
	type decision struct {
		next state
		wait time.Duration
	}
	d, how := guard.Call(func() (d decision) {
		d.next, d.wait = s.decide(err, attempt)
		return d
	})
	if how != "" {
		return failed, 0
	}
	return d.next, d.wait
}

// decide is afterError. It calls methods of err, and Retryable.
func (s *workers[T, R]) decide(err error, attempt int) (next state, wait time.Duration) {
	if guard.ChainIs(err, ErrSkip) {
		return skipped, 0
	}
	if _, holds := guard.ChainAs[*HoldError](err); holds {
		return held, 0
	}
	calls := s.stopper.calls.ctx
	if (calls.Err() != nil || s.stopper.run.ctx.Err() != nil) && interrupted(err, context.Cause(calls)) {
		return unsettled, -1
	}
	wait, again := s.opts.Retry.again(attempt, err, rand.Float64())
	switch {
	case !again:
		return failed, 0
	case s.stopper.stopping.Load():
		return unsettled, -1
	}
	return unsettled, wait
}

// interrupted reports whether an error that came when the calls were interrupted may come from
// that. The cause may itself hold errors that are final: those of the items that exceeded the
// tolerance.
func interrupted(err, cause error) bool {
	return !final(err) || guard.ChainIs(err, context.Canceled) || guard.ChainIs(err, ErrStuck) ||
		cause != nil && guard.ChainIs(err, cause)
}
