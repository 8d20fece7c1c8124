package dmap_test

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

func second(_ context.Context, i int) (int, error) {
	time.Sleep(time.Second)
	return i, nil
}

func TestPauseLetsCallsFinishAndStartsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, err := dmap.Start(t.Context(), numbers(100), second, dmap.Options{MaxConcurrency: 10})
		require.NoError(t, err)
		time.Sleep(1500 * time.Millisecond)
		run.Pause()
		require.Equal(t, 10, run.Stats().InFlight)
		time.Sleep(time.Hour)
		s := run.Stats()
		require.True(t, s.Paused)
		require.Zero(t, s.InFlight)
		require.EqualValues(t, 20, s.Succeeded)
		run.Resume()
		began := time.Now()
		stats, err := run.Wait()
		require.NoError(t, err)
		require.EqualValues(t, 100, stats.Succeeded)
		require.Equal(t, 8*time.Second, time.Since(began))
	})
}

func TestAPausedRunCanBeCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, err := dmap.Start(t.Context(), numbers(1000), second, dmap.Options{MaxConcurrency: 10})
		require.NoError(t, err)
		run.Pause()
		time.Sleep(time.Hour)
		run.Cancel(errBoom)
		stats, err := run.Wait()
		require.ErrorIs(t, err, errBoom)
		requireSum(t, stats)
		run.Pause() // after the end all of these do nothing
		run.Resume()
		run.Cancel(nil)
		require.NoError(t, run.SetTolerance(dmap.Tolerance{}))
		require.NoError(t, run.SetMaxConcurrency(5))
		require.Equal(t, stats, run.Stats())
	})
}

func TestTheLimitFollowsSetMaxConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, err := dmap.Start(t.Context(), numbers(100_000), second, dmap.Options{MaxConcurrency: 10})
		require.NoError(t, err)
		at := func(want int) {
			t.Helper()
			time.Sleep(1500 * time.Millisecond)
			synctest.Wait()
			require.Equal(t, want, run.Stats().InFlight)
		}
		at(10)
		require.NoError(t, run.SetMaxConcurrency(1000))
		at(1000)
		require.NoError(t, run.SetMaxConcurrency(3))
		at(3)
		require.Equal(t, 3, run.Stats().Limit)
		require.NoError(t, run.SetMaxConcurrency(50))
		at(50)
		require.Error(t, run.SetMaxConcurrency(0))
		require.Error(t, run.SetMaxConcurrency(10_001))
		run.Cancel(nil)
		_, err = run.Wait()
		require.ErrorIs(t, err, dmap.ErrCanceled)
	})
}

// Fast calls travel in chunks of many: a lower limit must hold between the calls of a chunk too.
func TestALowerLimitHoldsWithinChunks(t *testing.T) {
	var now, over atomic.Int64
	var limit atomic.Int64
	limit.Store(8)
	run, err := dmap.Start(t.Context(), numbers(300_000), func(context.Context, int) (int, error) {
		n := now.Add(1)
		defer now.Add(-1)
		if n > limit.Load() {
			over.Add(1)
		}
		return 0, nil
	}, dmap.Options{MaxConcurrency: 8})
	require.NoError(t, err)
	for range 200 {
		n := 1 + rand.IntN(8)
		old := limit.Load()
		limit.Store(max(old, int64(n))) // calls in flight may still be those of the old limit
		require.NoError(t, run.SetMaxConcurrency(n))
		for run.Stats().InFlight > n {
			select {
			case <-run.Done():
			default:
				continue
			}
			break
		}
		limit.Store(int64(n))
	}
	stats, err := run.Wait()
	require.NoError(t, err)
	require.EqualValues(t, 300_000, stats.Succeeded)
	require.Zero(t, over.Load())
}

func TestResultsYieldsEachOutcomeAsItSettles(t *testing.T) {
	seen := map[int64]bool{}
	failures := 0
	for r, err := range dmap.Results(t.Context(), numbers(1000), func(_ context.Context, i int) (int, error) {
		if i == 7 {
			return 0, errBoom
		}
		return 2 * i, nil
	}, dmap.Options{Tolerance: dmap.Tolerance{Count: 1}}) {
		require.NoError(t, err)
		if r.Err != nil {
			failures++
			continue
		}
		require.EqualValues(t, 2*r.Offset, r.Value)
		seen[r.Offset] = true
	}
	require.Len(t, seen, 999)
	require.Equal(t, 1, failures)
}

func TestResultsEndsWithTheErrorOfTheRun(t *testing.T) {
	var last error
	n := 0
	for _, err := range dmap.Results(t.Context(), numbers(10_000), func(context.Context, int) (int, error) { return 0, errBoom }, dmap.Options{}) {
		last = err
		n++
	}
	require.ErrorIs(t, last, dmap.ErrTolerance)
	require.Positive(t, n)
	for _, err := range dmap.Results(t.Context(), numbers(1), double, dmap.Options{MaxItems: -1}) {
		require.ErrorContains(t, err, "MaxItems")
	}
}

func TestLeavingTheLoopEndsTheRun(t *testing.T) {
	for name, leave := range map[string]func(){"break": func() {}, "panic": func() { panic("out") }} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int64
			defer func() {
				if name == "panic" {
					require.Equal(t, "out", recover())
				}
				after := calls.Load()
				require.Less(t, after, int64(100_000))
				require.Equal(t, after, calls.Load(), "nothing runs any more")
			}()
			for range dmap.Results(t.Context(), numbers(100_000), func(context.Context, int) (int, error) {
				calls.Add(1)
				return 0, nil
			}, dmap.Options{}) {
				leave()
				break
			}
		})
	}
}

// requireDisjoint checks that results, pending items and unread splits are each item of pieces{n,
// ...} exactly once.
func requireDisjoint(t *testing.T, n int, got *keep[int]) {
	t.Helper()
	times := make([]int, n)
	for _, r := range got.results {
		times[r.Offset]++
	}
	require.Len(t, got.ended, 1)
	end := got.ended[0]
	for _, p := range end.Pending {
		times[p.Offset]++
	}
	count := func(splits []dmap.Split) {
		for _, s := range splits {
			for i := s.From.Offset; i < s.To.Offset; i++ {
				times[i]++
			}
		}
	}
	count(end.Unread.Splits)
	first := int64(n)
	if end.Unread.After != nil {
		first = end.Unread.After.To.Offset
	}
	if end.Unread.All {
		first = 0
	}
	for i := first; i < int64(n); i++ {
		times[i]++
	}
	for i, k := range times {
		require.Equal(t, 1, k, "item %d of %d: %+v", i, n, end.Unread)
	}
}
