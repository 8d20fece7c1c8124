// Package requests bounds the requests that a source makes to a store, so that they follow a store
// that throttles. Requests for listing and for reading have a Limiter each, because stores throttle
// them apart. The calls of a run have theirs in the gate.
package requests

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/go-dmap/dmap/internal/flow"
	"github.com/go-dmap/dmap/internal/throttle"
)

// Limiter is for the requests of one kind in a run. It has no effect until the store throttles. It
// is safe for concurrent use.
type Limiter struct {
	mu        sync.Mutex // guards the fields below
	adaptive  flow.Adaptive
	active    int
	peak      int           // the most active requests since the bounds fell last
	falls     int           // of the bounds
	usual     time.Duration // recent mean time of a request
	done      int64
	successes int64
	throttled int64
	freed     chan struct{} // closed when a request has ended; nil: nobody waits
}

// ceiling is no bound: the readers of a source are.
const ceiling = 1 << 20

// Do waits until a request may start, and makes it. If ctx ends first it returns the cause. A nil
// Limiter makes it at once.
func (l *Limiter) Do(ctx context.Context, request func() error) error {
	if l == nil {
		return request()
	}
	falls, err := l.start(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	var a answer // a panic is none
	defer func() { l.end(falls, began, a) }()
	err = request()
	a = answerOf(err)
	return err
}

// answer is what the store said to a request.
type answer struct {
	accepted, throttled bool
	asked               time.Duration // by a store that throttles
}

// answerOf calls methods of err: without the lock, and while the request still has its place.
func answerOf(err error) answer {
	switch {
	case err == nil:
		return answer{accepted: true}
	case throttle.Is(err):
		return answer{throttled: true, asked: min(throttle.Asked(err, time.Now()), longestHold)}
	}
	return answer{}
}

// Throttled is the number of requests that the store has throttled.
func (l *Limiter) Throttled() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.throttled
}

// start waits until a request may start.
func (l *Limiter) start(ctx context.Context) (falls int, err error) {
	for {
		falls, wait, freed := l.tryStart()
		if wait == 0 && freed == nil {
			return falls, nil
		}
		if err := await(ctx, wait, freed); err != nil {
			return 0, err
		}
	}
}

// await waits until freed is closed, or for wait unless that is 0.
func await(ctx context.Context, wait time.Duration, freed <-chan struct{}) error {
	var rings <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		rings = timer.C
	}
	select {
	case <-rings:
	case <-freed:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// tryStart starts a request, or returns for how long to wait, or for what.
func (l *Limiter) tryStart() (falls int, wait time.Duration, freed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.adaptive.Grow(now, ceiling)
	if wait = l.adaptive.Until().Sub(now); wait > 0 {
		return 0, wait, nil
	}
	if l.active >= l.adaptive.Slots(ceiling) {
		l.adaptive.Press()
		if l.freed == nil {
			l.freed = make(chan struct{})
		}
		return 0, 0, l.freed
	}
	if wait = l.adaptive.Pacing().Wait(now, 1); wait > 0 {
		l.adaptive.Press()
		return 0, wait, nil
	}
	l.adaptive.Pacing().Take(1)
	l.adaptive.Start(now, 1)
	l.active++
	l.peak = max(l.peak, l.active)
	return l.falls, 0, nil
}

// end counts a request that has ended.
func (l *Limiter) end(falls int, began time.Time, a answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	took := now.Sub(began)
	if l.usual == 0 {
		l.usual = took
	}
	l.usual += (took - l.usual) / 4
	l.done++
	switch {
	case a.throttled:
		l.throttled++
		if l.adaptive.Throttle(flow.Signal{
			Now: now, Fresh: falls == l.falls, Asked: a.asked, Slots: l.active, Peak: l.peak,
			Time: l.usual, Done: l.done, Successes: l.successes, Chance: rand.Float64(),
		}) {
			l.falls++
			l.peak = l.active - 1
		}
	case a.accepted:
		l.successes++
	}
	l.active--
	if l.freed != nil {
		close(l.freed)
		l.freed = nil
	}
}

// longestHold bounds the wait that a store may ask for, as everywhere: see transient.Backoff.
const longestHold = time.Minute
