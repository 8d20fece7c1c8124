package dmaptemporal_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptemporal"
	"github.com/go-dmap/dmap/sink/results"
)

// seen are the events of a run, in their order.
type seen struct {
	mu        sync.Mutex
	start     dmap.RunStart
	edits     []dmap.EditEvent
	phases    []dmap.Phase
	committed int64
	end       *dmap.RunEnd
}

func (s *seen) observer() *dmap.Observer {
	locked := func(f func()) {
		s.mu.Lock()
		defer s.mu.Unlock()
		f()
	}
	return &dmap.Observer{
		RunStarted: func(ctx context.Context, e dmap.RunStart) context.Context {
			locked(func() { s.start = e })
			return ctx
		},
		Edited:       func(_ context.Context, e dmap.EditEvent) { locked(func() { s.edits = append(s.edits, e) }) },
		PhaseChanged: func(_ context.Context, e dmap.PhaseEvent) { locked(func() { s.phases = append(s.phases, e.Phase) }) },
		Committed: func(_ context.Context, e dmap.CommitEvent) {
			locked(func() { s.committed += e.Succeeded + e.Failed + e.Skipped + e.Held })
		},
		RunEnded: func(_ context.Context, e dmap.RunEnd) { locked(func() { s.end = &e }) },
	}
}

// rising checks that the counts of a run add up, fall never, and are no larger than the calls.
type rising struct {
	t     *testing.T
	calls func() int64
	last  dmap.Stats
	reads int // with items of leases that had not reported
}

func (r *rising) check(s dmap.Stats) {
	calls := r.calls()
	require.Equal(r.t, s.Read, s.Succeeded+s.Failed+s.Skipped+s.Held+s.Pending)
	require.GreaterOrEqual(r.t, s.Succeeded, r.last.Succeeded)
	require.LessOrEqual(r.t, s.Succeeded, calls)
	if s.Succeeded > r.last.Succeeded {
		r.reads++
	}
	r.last = s
}

func TestARunOnAServerIsSeenAsAWhole(t *testing.T) {
	c := newCluster(t, 3)
	c.call = 100 * time.Millisecond
	var events seen
	run := c.start(20_000, dmaptemporal.Settings{
		MaxConcurrency: 150, Beat: 3 * time.Second, Observer: events.observer(),
	})
	opened, err := dmaptemporal.Open(t.Context(), c.client, "r", nil)
	require.NoError(t, err)
	whole := rising{t: t, calls: c.calls.Load}
	most, oldest := 0, time.Duration(0)
	for tick, edited := time.NewTicker(100*time.Millisecond), false; whole.last.Succeeded < 20_000; {
		select {
		case <-tick.C:
		case <-run.Done():
			tick.Stop()
		}
		s := run.Stats()
		whole.check(s)
		most = max(most, s.InFlight)
		if calls := run.InFlight(5); len(calls) == 5 {
			oldest = max(oldest, calls[0].Age)
		}
		if s.Succeeded > 5_000 && !edited {
			edited = true
			require.NoError(t, opened.SetMaxConcurrency(180))
			opened.Pause()
			opened.Resume()
		}
	}
	stats, err := run.Wait()
	require.NoError(t, err)
	require.Equal(t, dmap.StateEnded, stats.State)
	require.Equal(t, "succeeded", stats.Reason)
	require.EqualValues(t, 20_000, stats.Succeeded)
	require.Greater(t, whole.reads, 5, "leases are seen before they report")
	require.Greater(t, most, 100)
	require.Positive(t, oldest)
	require.Greater(t, run.Times().Calls.Quantile(0.5), 90*time.Millisecond)
	times := run.Times()
	require.EqualValues(t, 20_000, times.Calls.Count, "reports have the calls that no heartbeat has")
	require.Greater(t, times.Calls.Sum, 20_000*90*time.Millisecond)
	require.Equal(t, c.storedBytes(), run.Written())
	require.Equal(t, "slice of 20000", events.start.Source)
	require.Same(t, run, events.start.Run)
	require.Equal(t, dmap.EditEvent{Setting: "MaxConcurrency", From: 150, To: 180}, events.edits[0])
	require.Contains(t, events.phases, dmap.PhaseRead)
	require.EqualValues(t, 20_000, events.start.Stats.Succeeded+events.committed)
	require.Equal(t, stats, events.end.Stats)
	t.Logf("%d readings rose, at most %d in flight, oldest %v, %d commits counted", whole.reads, most, oldest, events.committed)
}

func TestARunOnAServerIsSuspendedAndContinued(t *testing.T) {
	c := newCluster(t, 2)
	c.call = 50 * time.Millisecond
	run := c.start(10_000, dmaptemporal.Settings{MaxConcurrency: 60})
	require.Eventually(t, func() bool { return run.Stats().Succeeded > 500 }, time.Minute, 10*time.Millisecond)
	began := time.Now()
	run.Suspend()
	stats, err := run.Wait()
	require.ErrorIs(t, err, dmap.ErrSuspended)
	require.ErrorIs(t, err, dmap.ErrOpen)
	require.Equal(t, dmap.StateOpen, stats.State)
	require.Equal(t, "suspended", stats.Reason)
	require.Zero(t, c.running.Load())
	t.Logf("suspended in %v with %d items", time.Since(began).Round(time.Millisecond), stats.Succeeded)
	stored, err := results.Load(t.Context(), c.bucket, "runs/", "r")
	require.NoError(t, err)
	require.Equal(t, results.Open, stored.Status)
	require.Equal(t, stats.Succeeded, stored.Stats.Succeeded)
	again, err := c.start(10_000, dmaptemporal.Settings{MaxConcurrency: 300}).Wait()
	require.NoError(t, err)
	require.EqualValues(t, 10_000, again.Succeeded)
	_, items := c.stored()
	require.Len(t, items, 10_000)
	require.Less(t, c.calls.Load(), int64(10_000+100), "no call runs twice but those that were interrupted")
}

func TestARunOnAServerIsLeftByOneProcess(t *testing.T) {
	c := newCluster(t, 2)
	ctx, cancel := context.WithCancelCause(t.Context())
	run, err := c.squares.Start(ctx, c.client, "squares", "r", params{3_000}, dmaptemporal.Settings{MaxConcurrency: 60})
	require.NoError(t, err)
	gone := errors.New("the page is closed")
	cancel(gone)
	stats, err := run.Wait()
	require.ErrorIs(t, err, dmap.ErrOpen)
	require.ErrorIs(t, err, gone)
	require.Equal(t, "context", stats.Reason)
	opened, err := dmaptemporal.Open(t.Context(), c.client, "r", nil)
	require.NoError(t, err)
	stats, err = opened.Wait()
	require.NoError(t, err)
	require.EqualValues(t, 3_000, stats.Succeeded)
	cause := errors.New("too late")
	opened.Cancel(cause)
	opened.Pause()
	require.Error(t, opened.SetMaxConcurrency(1))
}
