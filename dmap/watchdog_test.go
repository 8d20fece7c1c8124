package dmap_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

func TestAStuckCallIsReportedAndWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, err := dmap.Start(t.Context(), numbers(2), func(ctx context.Context, i int) (int, error) {
			if i == 0 {
				time.Sleep(time.Hour) // ignores ctx
			}
			return i, nil
		}, dmap.Options{Timeout: time.Minute})
		require.NoError(t, err)
		time.Sleep(time.Minute + 15*time.Second)
		require.Equal(t, 1, run.Stats().Stuck)
		run.Cancel(nil)
		select {
		case <-run.Done():
			t.Fatal("returned while a call runs")
		case <-time.After(30 * time.Minute):
		}
		stats, err := run.Wait()
		require.ErrorIs(t, err, dmap.ErrCanceled)
		require.EqualValues(t, 2, stats.Succeeded, "its result came after all")
	})
}

func TestAnAbandonedCallFreesItsSlotAndItsLateResultIsDropped(t *testing.T) {
	for _, batches := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			call := func(i int) (int, error) {
				if i == 3 {
					<-release
				}
				return i, nil
			}
			opts := dmap.Options{MaxConcurrency: 1, Timeout: time.Second, AbandonAfter: 5 * time.Second, Tolerance: dmap.Tolerance{Count: 1}}
			var got keep[int]
			var stats dmap.Stats
			var err error
			if batches {
				stats, err = dmap.MapBatch(t.Context(), numbers(10), oneByOne, func(_ context.Context, in []dmap.Item[int]) ([]int, error) {
					v, err := call(in[0].Value)
					return []int{v}, err
				}, opts, &got)
			} else {
				stats, err = dmap.Map(t.Context(), numbers(10), func(_ context.Context, i int) (int, error) { return call(i) }, opts, &got)
			}
			require.NoError(t, err)
			require.EqualValues(t, 9, stats.Succeeded)
			require.EqualValues(t, 1, stats.Failed)
			require.Equal(t, 1, stats.Stuck)
			require.ErrorIs(t, got.byOffset()[3].Err, dmap.ErrStuck)
			require.Len(t, got.results, 10)
			close(release)
			synctest.Wait()
			require.Len(t, got.results, 10)
		})
	}
}

func TestACanceledRunAbandonsAStuckCallAndLeavesItsItemPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errBoom) })
		began := time.Now()
		stats, err := dmap.Map(ctx, numbers(10), func(context.Context, int) (int, error) {
			<-release // ignores ctx
			return 0, nil
		}, dmap.Options{MaxConcurrency: 2, AbandonAfter: 5 * time.Second})
		require.ErrorIs(t, err, errBoom)
		require.Less(t, time.Since(began), 9*time.Second)
		require.Zero(t, stats.Failed)
		require.Zero(t, stats.Succeeded)
		require.Equal(t, 2, stats.Stuck)
		requireSum(t, stats)
		close(release)
	})
}
