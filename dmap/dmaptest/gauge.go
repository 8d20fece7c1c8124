package dmaptest

import (
	"context"
	"sync"
	"testing"
)

// Gauge counts how many calls are in flight. The zero Gauge is ready; it is safe for concurrent
// use.
type Gauge struct {
	mu    sync.Mutex // guards what follows
	now   int
	peak  int
	total int64
}

// Enter counts a call in, and the returned function counts it out; call that once:
//
//	defer gauge.Enter()()
func (g *Gauge) Enter() (leave func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now++
	g.total++
	g.peak = max(g.peak, g.now)
	return g.leave
}

func (g *Gauge) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now--
}

// Now is how many calls are in flight.
func (g *Gauge) Now() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now
}

// Peak returns the largest number of calls that were in flight at the same time.
func (g *Gauge) Peak() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.peak
}

// Total is how many calls have begun.
func (g *Gauge) Total() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.total
}

// AtMost fails the test if ever more than limit calls were in flight, or none at all.
func (g *Gauge) AtMost(tb testing.TB, limit int) {
	tb.Helper()
	switch peak := g.Peak(); {
	case peak > limit:
		tb.Errorf("dmaptest: %d calls were in flight, the limit is %d", peak, limit)
	case peak == 0:
		tb.Errorf("dmaptest: the gauge saw no call")
	}
}

// Gauged is fn with every call counted in g, also one that panics. It serves functions of items and
// of batches.
func Gauged[In, Out any](g *Gauge, fn func(context.Context, In) (Out, error)) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (Out, error) {
		defer g.Enter()()
		return fn(ctx, in)
	}
}
