package dmap

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/throttle"
)

// decision is what an error of a call means for its item.
type decision struct {
	next      state         // failed, skipped, held, or unsettled
	wait      time.Duration // of an unsettled item until it is called again; negative: not in this run
	throttled bool          // the server throttles
	asked     time.Duration // by the server, of a throttled call; 0: it does not ask
	err       error         // with which a throttled item fails; nil: the error of the call
}

// again reports whether the item is called again in this run.
func (d decision) again() bool { return d.next == unsettled && d.wait >= 0 }

// afterError decides what an error of a call means for its item. A panic or a Goexit in a method of
// the error, in Retryable, or in IsThrottled fails the item, and so does one that does not return.
func (s *workers[T, R]) afterError(err error, attempt int, before throttleState) decision {
	if s.opts.Retry.Retryable == nil && s.opts.IsThrottled == nil && answersNothing(err) {
		return s.decide(err, attempt, before)
	}
	d, how := guard.Call(func() decision { return s.decide(err, attempt, before) })
	if how != "" {
		return decision{next: failed}
	}
	return d
}

// answersNothing reports whether decide calls no method of err that a user wrote.
func answersNothing(err error) bool {
	return guard.Searchable(err) && (throttle.Silent(err) || guard.PlainError(err))
}

// decide is afterError. It calls methods of err, Retryable, and IsThrottled.
func (s *workers[T, R]) decide(err error, attempt int, before throttleState) (d decision) {
	if guard.ChainIs(err, ErrSkip) {
		return decision{next: skipped}
	}
	if _, holds := guard.ChainAs[*HoldError](err); holds {
		return decision{next: held}
	}
	calls := s.stopper.calls.ctx
	if (calls.Err() != nil || s.stopper.run.ctx.Err() != nil) && interrupted(err, context.Cause(calls)) {
		return decision{next: unsettled, wait: -1}
	}
	if d.throttled = s.opts.throttles(err); d.throttled {
		d.asked = throttle.Asked(err, time.Now())
	}
	var again bool
	retry := &s.opts.Retry
	if d.throttled && retry.throttledFor() > 0 {
		if again = !final(err) && (retry.Retryable == nil || retry.Retryable(err)); again {
			d.wait, d.err = retry.stillThrottled(err, before.times+1, s.throttledSince(before), d.asked, rand.Float64())
			again = d.err == nil
		}
	} else {
		d.wait, again = retry.again(attempt-before.times, err, rand.Float64())
	}
	switch {
	case !again:
		d.next, d.wait = failed, 0
	case s.stopper.stopping.Load():
		d.wait = -1
	}
	return d
}

// runningTime is the time that the process has worked on the run, without pauses.
func (s *workers[T, R]) runningTime() time.Duration { return s.clock.now() - s.gate.PausedFor() }

// throttledSince is the time for which a task has been throttled.
func (s *workers[T, R]) throttledSince(before throttleState) time.Duration {
	if before.times == 0 {
		return 0
	}
	return s.runningTime() - before.since
}

// interrupted reports whether an error that came when the calls were interrupted may come from
// that. The cause may itself hold errors that are final: those of the items that exceeded the
// tolerance.
func interrupted(err, cause error) bool {
	return !final(err) || guard.ChainIs(err, context.Canceled) || guard.ChainIs(err, ErrStuck) ||
		cause != nil && guard.ChainIs(err, cause)
}
