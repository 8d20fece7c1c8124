package sink_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/sink"
)

// A redrive reads the rest of an object that was mended: each item is called once. It may be
// compressed in another way.
func TestARedriveReadsTheRestOfAMendedObject(t *testing.T) {
	forEachMending(t, func(t *testing.T, m *mending) {
		m.upload(t, 0.5)
		m.breaks(t)
		m.put(t, m.key, repacked(m.of(0, m.n)))
		stats, err := m.run(t.Context())
		m.complete(t, stats, err)
		require.Zero(t, stats.BrokenObjects)
		for n, calls := range m.calls {
			require.Equal(t, 1, calls, n)
		}
	})
}

// Items before the break that have failed run again too, also if they fail once more meanwhile, and
// if the object breaks off again further on.
func TestFailedItemsOfAMendedObjectRunAgain(t *testing.T) {
	forEachMending(t, func(t *testing.T, m *mending) {
		m.upload(t, 0.5)
		m.fails = func(n int) bool { return n%10 == 3 }
		stats, err := m.run(t.Context())
		require.ErrorIs(t, err, dmap.ErrTolerance)
		require.EqualValues(t, 1, stats.BrokenObjects)
		m.once(t)

		m.upload(t, 0.8)
		m.fails = func(n int) bool { return n%20 == 3 }
		stats, err = m.run(t.Context())
		require.ErrorIs(t, err, dmap.ErrTolerance)
		require.EqualValues(t, 1, stats.BrokenObjects)
		m.once(t)
		for _, r := range listed(t, m.bucket)["FAILED"] {
			require.Equal(t, "error", r["class"], r)
		}
		require.Equal(t, 2, m.calls[3])

		m.upload(t, 1)
		m.fails = nil
		stats, err = m.run(t.Context())
		m.complete(t, stats, err)
		for n, calls := range m.calls {
			require.LessOrEqual(t, calls, 3, n)
		}
	})
}

// An object that breaks off again further on is read on from there each time.
func TestAnObjectIsMendedInSteps(t *testing.T) {
	forEachMending(t, func(t *testing.T, m *mending) {
		before := 0
		for _, part := range []float64{0.4, 0.6, 0.85} {
			m.upload(t, part)
			now := m.breaks(t)
			require.Greater(t, now, before)
			before = now
		}
		m.upload(t, 1)
		stats, err := m.run(t.Context())
		m.complete(t, stats, err)
		for n, calls := range m.calls {
			require.Equal(t, 1, calls, n)
		}
	})
}

// interrupted runs m for a while, each call of which takes 10 ms, and interrupts its calls: only
// what it has committed counts.
func (m *mending) interrupted(t *testing.T, after time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	m.fails = func(int) bool {
		m.waits()
		return false
	}
	defer func() { m.fails = nil }()
	_, err := m.run(ctx)
	return err
}

// A redrive that is stopped in the middle of the rest continues with the same object, and reads no
// other one.
func TestARedriveOfAMendedObjectIsStoppedAndContinues(t *testing.T) {
	forEachMending(t, func(t *testing.T, m *mending) {
		m.upload(t, 0.5)
		first := m.breaks(t)
		m.upload(t, 1)
		_, err := suspendSoon(t, &m.daily, 65*time.Millisecond)
		require.ErrorIs(t, err, dmap.ErrSuspended)
		require.ErrorIs(t, m.interrupted(t, 65*time.Millisecond), context.DeadlineExceeded)
		require.Greater(t, len(m.calls), first+10)
		require.Less(t, len(m.calls), m.n+m.others)

		whole := m.of(0, m.n)
		m.put(t, m.key, append(m.of(0, m.n), m.of(0, m.n)...)) // the same before the break, and not what was read since
		stats, err := m.run(t.Context())
		require.ErrorIs(t, err, dmap.ErrTolerance)
		require.ErrorContains(t, err, "it changed after a part of it was read")
		require.EqualValues(t, 1, stats.BrokenObjects)
		require.Less(t, m.once(t), m.n+m.others)

		m.put(t, m.key, whole)
		_, err = m.run(t.Context())
		require.ErrorContains(t, err, "it changed", "the rest of what was read then has no hash")
	})
}

// A redrive that is stopped again and again reads each item of the rest once.
func TestARedriveOfAMendedObjectIsStoppedOften(t *testing.T) {
	forEachMending(t, func(t *testing.T, m *mending) {
		m.upload(t, 0.5)
		m.breaks(t)
		m.upload(t, 1)
		var stats dmap.Stats
		err := dmap.ErrOpen
		for i := 0; errors.Is(err, dmap.ErrOpen); i++ {
			require.Less(t, i, 50)
			if err = m.interrupted(t, time.Duration(45+7*i)*time.Millisecond); err != nil {
				stats, err = suspendSoon(t, &m.daily, 45*time.Millisecond)
			}
			if i == 1 && err != nil { // the next call is another redrive
				require.NoError(t, sink.End(t.Context(), m.bucket, "out", "r"))
			}
		}
		if stats.Read == 0 {
			stats, err = m.run(t.Context())
		}
		m.complete(t, stats, err)
	})
}

// Where the content before the break is not the same, the object has changed: its rest stays
// unread, all else is processed, and the error names the way out. A redrive reads the right object.
func TestAMendedObjectWithOtherContentBeforeTheBreakHasChanged(t *testing.T) {
	forEachMending(t, func(t *testing.T, m *mending) {
		m.upload(t, 0.5)
		m.fails = func(n int) bool { return n == 3 || n == 1001 }
		_, err := m.run(t.Context())
		require.ErrorIs(t, err, dmap.ErrTolerance)
		m.fails = nil
		m.put(t, m.key, m.of(5000, m.n))
		stats, err := m.run(t.Context())
		require.ErrorIs(t, err, dmap.ErrTolerance)
		require.NotErrorIs(t, err, dmap.ErrSpecChanged)
		require.ErrorContains(t, err, "it changed after a part of it was read: version was ")
		require.ErrorContains(t, err, "a new RunID")
		require.EqualValues(t, 1, stats.BrokenObjects)
		require.EqualValues(t, 1, stats.Failed, "number 3")
		m.once(t)
		for _, r := range listed(t, m.bucket)["FAILED"] {
			require.Equal(t, "changed", r["class"])
		}
		require.Contains(t, string(newestManifest(t, m.bucket).Unread), m.key)

		m.upload(t, 1)
		stats, err = m.run(t.Context())
		m.complete(t, stats, err)
	})
}

// A run is canceled when its object has broken off, with items before the break that are pending.
// They are read from the mended object, and so are those of a trial.
func TestPendingItemsOfAMendedObjectAreRead(t *testing.T) {
	forEachMending(t, func(t *testing.T, m *mending) {
		m.upload(t, 0.5)
		calls := 0
		m.fails = func(n int) bool {
			if calls++; calls == 25 {
				m.cancel()
			}
			m.waits() // meanwhile the object breaks off
			return n%5 == 1
		}
		stats, err := m.run(t.Context())
		require.ErrorIs(t, err, dmap.ErrCanceled)
		require.EqualValues(t, 1, stats.BrokenObjects)
		require.Positive(t, stats.Pending)
		require.Positive(t, stats.Failed)
		m.once(t)

		m.upload(t, 1)
		m.fails = nil
		choice := m.opts.Redrive
		m.opts.Redrive = dmap.Redrive{Limit: 2, Canceled: true}
		trial, err := m.run(t.Context())
		require.ErrorIs(t, err, dmap.ErrEnded)
		require.Equal(t, stats.Succeeded+2, trial.Succeeded)
		require.Equal(t, stats.Failed-2, trial.Failed)
		m.once(t)

		m.opts.Redrive = choice
		stats, err = m.run(t.Context())
		m.complete(t, stats, err)
	})
}

// A store that cannot be read while the object is compared has said nothing about it: the run stays
// open, or with many objects the rest stays unread once more.
func TestAStoreThatFailsWhileAMendedObjectIsCompared(t *testing.T) {
	forEachMending(t, func(t *testing.T, m *mending) {
		store := dmaptest.NewFaultBucket(t, m.in)
		m.in = store.Bucket
		m.upload(t, 0.5)
		before := m.breaks(t)
		m.upload(t, 1)
		store.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Key: m.key, Sticky: true})
		stats, err := m.run(t.Context())
		if errors.Is(err, dmap.ErrOpen) {
			require.Zero(t, stats.BrokenObjects)
		} else {
			require.ErrorIs(t, err, dmap.ErrTolerance)
			require.EqualValues(t, 1, stats.BrokenObjects)
			require.NotContains(t, err.Error(), "it changed")
			require.Equal(t, before, m.once(t))
		}
		store.Heal()
		stats, err = m.run(t.Context())
		m.complete(t, stats, err)
	})
}
