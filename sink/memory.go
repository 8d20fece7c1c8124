package sink

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/go-dmap/dmap/dmap"
)

// Memory keeps all results: for tests and for runs whose results fit. The zero Memory is ready; a
// sink is its address. It is safe for concurrent use and may take the results of several runs, one
// after another.
type Memory[R any] struct {
	mu      sync.Mutex
	results []dmap.Result[R] // guarded by mu
}

// Write keeps a copy of results.
func (m *Memory[R]) Write(_ context.Context, results []dmap.Result[R]) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.results = append(m.results, results...)
	return nil
}

// Flush does nothing.
func (m *Memory[R]) Flush(context.Context) error { return nil }

// Preflight has nothing to try.
func (m *Memory[R]) Preflight(_ context.Context, _ dmap.RunSpec, report func(dmap.Check)) {
	report(dmap.Check{Op: "write", Found: "in memory"})
}

// ConcurrentWrites marks Memory as a [dmap.ConcurrentSink].
func (m *Memory[R]) ConcurrentWrites() {}

// Results returns the results written so far, sorted by key, offset, split and index: for objects
// and records this is source order. The slice belongs to the caller.
func (m *Memory[R]) Results() []dmap.Result[R] {
	return m.sorted(func(dmap.Result[R]) bool { return true })
}

// Succeeded returns the results without an error, in the order of Results.
func (m *Memory[R]) Succeeded() []dmap.Result[R] {
	return m.sorted(func(r dmap.Result[R]) bool { return r.Err == nil })
}

// Failed returns the results with an error, in the order of Results.
func (m *Memory[R]) Failed() []dmap.Result[R] {
	return m.sorted(func(r dmap.Result[R]) bool { return r.Err != nil })
}

// Values returns the values of Succeeded.
func (m *Memory[R]) Values() []R {
	succeeded := m.Succeeded()
	values := make([]R, len(succeeded))
	for i, r := range succeeded {
		values[i] = r.Value
	}
	return values
}

func (m *Memory[R]) sorted(keep func(dmap.Result[R]) bool) []dmap.Result[R] {
	m.mu.Lock()
	kept := make([]dmap.Result[R], 0, len(m.results))
	for _, r := range m.results {
		if keep(r) {
			kept = append(kept, r)
		}
	}
	m.mu.Unlock()
	slices.SortStableFunc(kept, func(a, b dmap.Result[R]) int {
		return cmp.Or(
			cmp.Compare(a.Key, b.Key),
			cmp.Compare(a.Offset, b.Offset),
			cmp.Compare(a.Split, b.Split),
			cmp.Compare(a.Index, b.Index),
		)
	})
	return kept
}
