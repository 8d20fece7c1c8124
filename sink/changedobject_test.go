package sink_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
)

// requireChanged redrives m after its object has changed: the rest stays unread, and the run fails
// with an error that names both versions and the way out.
func requireChanged(t *testing.T, m *mending, failed int64) {
	t.Helper()
	before := len(m.calls)
	stats, err := m.run(t.Context())
	require.ErrorIs(t, err, dmap.ErrTolerance)
	require.NotErrorIs(t, err, dmap.ErrSpecChanged)
	require.ErrorContains(t, err, "it changed after a part of it was read: version was ")
	require.ErrorContains(t, err, ", now ")
	require.ErrorContains(t, err, "a new RunID")
	require.EqualValues(t, 1, stats.BrokenObjects)
	require.Equal(t, failed, stats.Failed)
	require.Zero(t, stats.Pending)
	m.once(t)
	for _, r := range listed(t, m.bucket)["FAILED"] {
		require.Equal(t, "changed", r["class"])
	}
	end := newestManifest(t, m.bucket)
	require.Equal(t, "FAILED", end.Status)
	require.Contains(t, string(end.Unread), m.key)
	require.LessOrEqual(t, len(m.calls)-before, m.others, "only others are called")
}

// An object that changed after a part of it was read, and after the run had ended, is a broken
// object in a redrive. Before, each call ended with ErrSpecChanged.
func TestAnObjectThatChangedSinceTheEndIsABrokenObjectInARedrive(t *testing.T) {
	forEachMending(t, func(t *testing.T, m *mending) {
		m.upload(t, 1)
		m.fails = func(n int) bool { return n == 3 }
		_, err := suspendSoon(t, &m.daily, 100*time.Millisecond)
		require.ErrorIs(t, err, dmap.ErrSuspended)
		require.Less(t, len(m.calls), m.n)
		require.Greater(t, len(m.calls), 10)
		m.fails = nil
		m.put(t, m.key, m.of(5000, m.n))
		if m.others == 0 {
			_, err = m.run(t.Context())
			require.ErrorIs(t, err, dmap.ErrSpecChanged, "an open run is not redriven")
		}
		require.NoError(t, sink.End(t.Context(), m.bucket, "out", "r"))
		requireChanged(t, m, 1)
		requireChanged(t, m, 1)
	})
}

// The same for a run that its tolerance has ended, with failed and pending items, and a redrive
// that a suspension interrupts.
func TestAnObjectThatChangedSinceAFailureIsABrokenObjectInARedrive(t *testing.T) {
	forEachMending(t, func(t *testing.T, m *mending) {
		m.upload(t, 1)
		m.opts.Tolerance.Percentage, m.opts.Tolerance.MinItems = 10, 20
		m.fails = func(n int) bool { return n%3 == 1 }
		stats, err := m.run(t.Context())
		require.ErrorIs(t, err, dmap.ErrTolerance)
		require.Zero(t, stats.BrokenObjects)
		m.once(t)

		m.fails = nil
		m.opts.Tolerance.Percentage = 100
		m.put(t, m.key, m.of(5000, m.n/4)) // shorter
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(dmap.ErrSuspended)
		_, err = m.run(ctx)
		require.ErrorIs(t, err, dmap.ErrSuspended)
		ofOthers := int64(0)
		for n := range m.keys {
			if n >= 1000 && n%3 == 1 {
				ofOthers++
			}
		}
		requireChanged(t, m, stats.Failed-ofOthers)
	})
}
