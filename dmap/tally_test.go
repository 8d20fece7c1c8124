package dmap_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

func TestTheRunFailsWhenTheToleranceIsExceeded(t *testing.T) {
	var got keep[int]
	stats, err := dmap.Map(t.Context(), numbers(100_000), func(_ context.Context, i int) (int, error) {
		if i%10 == 9 {
			return 0, fmt.Errorf("item %d: %w", i, errBoom)
		}
		return i, nil
	}, dmap.Options{MaxConcurrency: 1, Tolerance: dmap.Tolerance{Count: 20}}, &got)
	require.ErrorIs(t, err, dmap.ErrTolerance)
	require.ErrorIs(t, err, errBoom)
	var exceeded *dmap.ToleranceError
	require.ErrorAs(t, err, &exceeded)
	require.EqualValues(t, 21, exceeded.Failed)
	require.Len(t, exceeded.First, 10)
	require.Equal(t, "n@9", exceeded.First[0].ID())
	require.EqualValues(t, 21, stats.Failed, "one call at once: the trip point is exact")
	require.EqualValues(t, 189, stats.Succeeded)
	requireSum(t, stats)
	require.Len(t, got.results, 210, "what was settled before the trip is delivered")
	end := got.ended[0]
	require.ErrorIs(t, end.Err, dmap.ErrTolerance)
	require.Len(t, end.Pending, int(stats.Pending))
	require.Len(t, end.Unread.Splits, 1)
	require.EqualValues(t, stats.Read, end.Unread.Splits[0].From.Offset, "unread starts after the last item read")
}

func TestAPercentageIsJudgedOverTheTotalAtTheEnd(t *testing.T) {
	fail := func(_ context.Context, i int) (int, error) {
		if i < 10 {
			return 0, errBoom
		}
		return i, nil
	}
	_, err := dmap.Map(t.Context(), numbers(100), fail, dmap.Options{Tolerance: dmap.Tolerance{Percentage: 10}})
	require.NoError(t, err, "10 of 100")
	_, err = dmap.Map(t.Context(), numbers(99), fail, dmap.Options{Tolerance: dmap.Tolerance{Percentage: 10}})
	require.ErrorIs(t, err, dmap.ErrTolerance, "10 of 99")
}

func TestSetToleranceJudgesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, err := dmap.Start(t.Context(), numbers(1000), func(_ context.Context, i int) (int, error) {
			time.Sleep(time.Second)
			return 0, errBoom
		}, dmap.Options{MaxConcurrency: 1, Tolerance: dmap.Tolerance{Count: 100}})
		require.NoError(t, err)
		time.Sleep(5500 * time.Millisecond)
		require.NoError(t, run.SetTolerance(dmap.Tolerance{Count: 7}))
		time.Sleep(time.Second)
		select {
		case <-run.Done():
			t.Fatal("six failures of seven tolerated")
		default:
		}
		require.NoError(t, run.SetTolerance(dmap.Tolerance{Count: 3}))
		stats, err := run.Wait()
		require.ErrorIs(t, err, dmap.ErrTolerance)
		require.EqualValues(t, 7, stats.Failed, "the call in flight came back")
		require.Error(t, run.SetTolerance(dmap.Tolerance{Count: -1}))
	})
}
