package dmapotel

import (
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// many is a run on many machines that a test moves.
type many struct {
	dmap.LiveRun // nil: its controls are not called

	mu       sync.Mutex
	stats    dmap.Stats
	failures []dmap.FailureGroup
	done     chan struct{}
}

func (m *many) ID() string                       { return "monday" }
func (m *many) Times() dmap.Times                { return dmap.Times{} }
func (m *many) Written() int64                   { return 0 }
func (m *many) InFlight(int) []dmap.InFlightCall { return nil }
func (m *many) Done() <-chan struct{}            { return m.done }
func (m *many) Wait() (dmap.Stats, error)        { return m.Stats(), nil }

func (m *many) Stats() dmap.Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stats
}

func (m *many) Failures() []dmap.FailureGroup {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failures
}

func (m *many) set(failed int64, groups ...dmap.FailureGroup) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.Failed, m.failures = failed, groups
}

// The items of a run on many machines fail on the workers. They are counted by the groups that the
// run shows, and at its end all of them.
func TestFailuresOfManyMachinesAreCountedByClass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		m := &many{done: make(chan struct{})}
		group := func(class string, n int64) dmap.FailureGroup {
			return dmap.FailureGroup{ID: class, Class: class, Count: n}
		}
		m.set(10, group("panic", 9), group("", 1))
		o := b.observer()
		ctx := o.RunStarted(t.Context(), dmap.RunStart{RunSpec: dmap.RunSpec{RunID: "monday"}, Stats: m.Stats(), Run: m, Engine: "temporal"})
		require.Empty(t, sums(t, b.metrics(t)[MetricItems]), "they failed before")
		m.set(17, group("timeout", 3), group("panic", 11), group("", 2))
		want := map[string]float64{"outcome=timed_out error.type=timeout ": 3, "outcome=failed error.type=panic ": 2}
		require.Equal(t, want, sums(t, b.metrics(t)[MetricItems]))
		m.set(17, group("panic", 11), group("", 6)) // that of the timeouts is not among the largest now
		require.Equal(t, want, sums(t, b.metrics(t)[MetricItems]))
		m.set(30, group("panic", 20), group("timeout", 4), group("", 6))
		close(m.done)
		o.RunEnded(ctx, dmap.RunEnd{Stats: m.Stats()})
		synctest.Wait()
		require.Equal(t, map[string]float64{
			"outcome=timed_out error.type=timeout ": 4, "outcome=failed error.type=panic ": 11, "outcome=failed error.type=_OTHER ": 5,
		}, sums(t, b.metrics(t)[MetricItems]))
	})
}
