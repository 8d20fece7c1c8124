package dmap

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// afterError decides what an error of a call means for its item: it has failed, is skipped, or
// stays unsettled. Then it is called again after wait, or not in this run if wait is negative. A
// panic or a Goexit in a method of the error, or in Retryable, fails the item.
func (s *workers[T, R]) afterError(err error, attempt int) (next state, wait time.Duration) {
	decide := func() { next, wait = s.decide(err, attempt) }
	var broken error
	if s.opts.Retry.Retryable == nil {
		broken = inspect(err, decide)
	} else {
		broken = isolated(func() error { decide(); return nil })
	}
	if broken != nil {
		return failed, 0
	}
	return next, wait
}

// decide is afterError. It calls methods of err, and Retryable.
func (s *workers[T, R]) decide(err error, attempt int) (next state, wait time.Duration) {
	if errors.Is(err, ErrSkip) {
		return skipped, 0
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
	return !final(err) || errors.Is(err, context.Canceled) || errors.Is(err, ErrStuck) || cause != nil && errors.Is(err, cause)
}
