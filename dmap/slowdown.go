package dmap

import (
	"math/rand/v2"
	"time"

	"github.com/go-dmap/dmap/internal/gate"
)

// throttled slows the run down after a call that took elapsed.
func (w *worker[T, R]) throttled(asked, elapsed time.Duration) {
	n := w.tally.throttled.Add(1)
	usual := w.pace.mean()
	if usual == 0 {
		usual = elapsed
	}
	chance := rand.Float64()
	if w.opts.Retry.NoJitter {
		chance = 0
	}
	fell := w.gate.Throttle(gate.Throttled{
		Grant: w.grant, Asked: min(asked, w.opts.Retry.longestHold()), CallTime: usual,
		Calls: w.tally.calls.Load(), Successes: w.tally.successes(), Chance: chance, Fixed: w.opts.NoAdapt,
	})
	if n == 1 || fell {
		w.stopper.log.throttled(n == 1, w.gate.State(), asked)
	}
}

// longestHold bounds the shared back-off. A server that asks for more fails the items that it
// throttles one by one, so the others must be called.
func (r Retry) longestHold() time.Duration {
	if limit := r.throttledFor(); limit > 0 {
		return limit
	}
	return defaultThrottledFor
}

// nextThrottled is the state of items that were throttled once more.
func (w *worker[T, R]) nextThrottled(s throttleState) throttleState {
	if s.times == 0 {
		s.since = w.runningTime()
	}
	s.times++
	return s
}

// giveBackCalls returns to the gate what its Grant for c has left.
func (w *worker[T, R]) giveBackCalls(c *chunk[T, R]) {
	calls, items := w.grant.Calls, w.grant.Calls
	if w.job.inBatches {
		items = len(c.items)
		if calls == 0 {
			items -= len(w.picks)
		}
	}
	if calls > 0 || items > 0 {
		w.gate.GiveBackCalls(calls, items)
	}
}
