package dmap_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
)

var oneByOne = batch.Limits{Items: 1}

func goexit() { runtime.Goexit() }

// sizes records the batches it gets.
type sizes struct {
	mu  sync.Mutex
	all []int
}

func (s *sizes) double(_ context.Context, in []dmap.Item[int]) ([]int, error) {
	s.mu.Lock()
	s.all = append(s.all, len(in))
	s.mu.Unlock()
	out := make([]int, len(in))
	for i := range in {
		out[i] = 2 * in[i].Value
	}
	return out, nil
}

func TestBatchesCloseByCountAndNeverSpanSplits(t *testing.T) {
	var s sizes
	var got keep[int]
	stats, err := dmap.MapBatch(t.Context(), pieces{1130, 1000}, batch.Limits{Items: 100}, s.double, dmap.Options{}, &got)
	require.NoError(t, err)
	require.EqualValues(t, 1130, stats.Succeeded)
	require.EqualValues(t, 12, stats.Calls)
	require.ElementsMatch(t, []int{100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 30}, s.all)
	require.Len(t, got.byOffset(), 1130)
	for offset, r := range got.byOffset() {
		require.EqualValues(t, 2*offset, r.Value)
	}
}

func TestBatchesCloseByBytes(t *testing.T) {
	src := items(func(_ context.Context, yield func(dmap.Item[int], error) bool) {
		for i, size := range []int64{40, 40, 40, 500, 10, 10, 80, 1} {
			if !yield(dmap.Item[int]{Offset: int64(i), Size: size}, nil) {
				return
			}
		}
	})
	var s sizes
	_, err := dmap.MapBatch(t.Context(), src, batch.Limits{Bytes: 100}, s.double, dmap.Options{MaxConcurrency: 1})
	require.NoError(t, err)
	require.Equal(t, []int{2, 1, 1, 3, 1}, s.all, "an item over the limit is alone")
}

func TestABatchWaitsNoLongerThanItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := items(func(_ context.Context, yield func(dmap.Item[int], error) bool) {
			for i := range 7 {
				if !yield(dmap.Item[int]{Offset: int64(i)}, nil) {
					return
				}
				time.Sleep(time.Second)
			}
			time.Sleep(time.Hour)
		})
		var s sizes
		_, err := dmap.MapBatch(t.Context(), src, batch.Limits{Items: 100, Wait: 2500 * time.Millisecond}, s.double, dmap.Options{})
		require.NoError(t, err)
		require.Equal(t, []int{3, 3, 1}, s.all)
	})
}

// The source yields nothing for an hour: what it yielded before must not wait for more.
func TestItemsDoNotWaitInAChunkForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := items(func(_ context.Context, yield func(dmap.Item[int], error) bool) {
			for i := range 1000 {
				if !yield(dmap.Item[int]{Offset: int64(i)}, nil) {
					return
				}
			}
			time.Sleep(time.Hour)
		})
		run, err := dmap.Start(t.Context(), src, double, dmap.Options{})
		require.NoError(t, err)
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		require.EqualValues(t, 1000, run.Stats().Succeeded)
		_, err = run.Wait()
		require.NoError(t, err)
	})
}

func TestABatchErrorFailsAndRetriesOnlyTheItemsItNames(t *testing.T) {
	var mu sync.Mutex
	var calls [][]int
	var got keep[int]
	var order writes
	stats, err := dmap.MapBatch(t.Context(), numbers(10), batch.Limits{Items: 10}, func(ctx context.Context, in []dmap.Item[int]) ([]int, error) {
		mu.Lock()
		defer mu.Unlock()
		info, _ := dmap.InfoFrom(ctx)
		var values, out []int
		errs := batch.Errors{}
		for i, item := range in {
			values = append(values, item.Value)
			out = append(out, 2*item.Value)
			if item.Value%3 == 0 && info.Attempt < 3 || item.Value == 6 {
				errs[i] = fmt.Errorf("value %d: %w", item.Value, errBoom)
			}
		}
		calls = append(calls, values)
		return out, errs.Err()
	}, dmap.Options{Retry: dmap.Retry{MaxAttempts: 3, Initial: time.Millisecond}, Tolerance: dmap.Tolerance{Count: 1}}, &got, &order)
	require.NoError(t, err)
	require.Equal(t, [][]int{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {0, 3, 6, 9}, {0, 3, 6, 9}}, calls)
	require.EqualValues(t, 9, stats.Succeeded)
	require.EqualValues(t, 1, stats.Failed)
	require.EqualValues(t, 2, stats.Retries)
	require.Len(t, got.results, 10)
	require.Equal(t, 3, got.byOffset()[6].Attempt)
	require.Equal(t, 1, got.byOffset()[1].Attempt)
	require.ErrorIs(t, got.byOffset()[6].Err, errBoom)
	require.Equal(t, writes{{1, 2, 4, 5, 7, 8}, {0, 3, 6, 9}}, order, "each in source order; the first does not wait for the retries")
}

// writes is a sink that keeps the offsets of each Write.
type writes [][]int64

func (w *writes) Write(_ context.Context, results []dmap.Result[int]) error {
	var offsets []int64
	for _, r := range results {
		offsets = append(offsets, r.Offset)
	}
	*w = append(*w, offsets)
	return nil
}

func (*writes) Flush(context.Context) error { return nil }

func TestAPlainErrorPanicOrGoexitFailsTheWholeBatch(t *testing.T) {
	for name, end := range map[string]func() error{
		"error":  func() error { return errBoom },
		"panic":  func() error { panic(errBoom) },
		"goexit": func() error { goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			stats, err := dmap.MapBatch(t.Context(), numbers(100), batch.Limits{Items: 10}, func(_ context.Context, in []dmap.Item[int]) ([]int, error) {
				if in[0].Value == 50 {
					return nil, end()
				}
				return make([]int, len(in)), nil
			}, dmap.Options{Tolerance: dmap.Tolerance{Count: 10}, MaxConcurrency: 2})
			require.NoError(t, err)
			require.EqualValues(t, 90, stats.Succeeded)
			require.EqualValues(t, 10, stats.Failed)
			require.EqualValues(t, 10, stats.Calls)
			requireSum(t, stats)
		})
	}
}

func TestAWrongNumberOfValuesFailsTheBatchAndSaysSo(t *testing.T) {
	for name, f := range map[string]func(n int) ([]int, error){
		"too few":        func(n int) ([]int, error) { return make([]int, n-1), nil },
		"too many":       func(n int) ([]int, error) { return make([]int, n+1), nil },
		"none":           func(int) ([]int, error) { return nil, nil },
		"none and some":  func(int) ([]int, error) { return nil, batch.Errors{0: errBoom} },
		"beyond the end": func(n int) ([]int, error) { return make([]int, n), batch.Errors{n: errBoom} },
	} {
		t.Run(name, func(t *testing.T) {
			stats, err := dmap.MapBatch(t.Context(), numbers(10), batch.Limits{Items: 5}, func(_ context.Context, in []dmap.Item[int]) ([]int, error) {
				return f(len(in))
			}, dmap.Options{Tolerance: dmap.Tolerance{Percentage: 50}, Retry: dmap.Retry{MaxAttempts: 3}})
			require.ErrorIs(t, err, dmap.ErrTolerance)
			require.ErrorContains(t, err, "batch")
			require.Zero(t, stats.Retries)
		})
	}
}

func TestABatchWithBadItemsCallsOnlyTheGoodOnes(t *testing.T) {
	src := items(func(_ context.Context, yield func(dmap.Item[int], error) bool) {
		for i := range 20 {
			item := dmap.Item[int]{Offset: int64(i), Value: i}
			if i%4 == 0 || i >= 15 {
				item.Err = errBoom
			}
			if !yield(item, nil) {
				return
			}
		}
	})
	var s sizes
	var got keep[int]
	stats, err := dmap.MapBatch(t.Context(), src, batch.Limits{Items: 5}, s.double, dmap.Options{Tolerance: dmap.Tolerance{Percentage: 100}}, &got)
	require.NoError(t, err)
	require.ElementsMatch(t, []int{3, 4, 4}, s.all)
	require.EqualValues(t, 11, stats.Succeeded)
	require.EqualValues(t, 9, stats.Failed)
	for offset, r := range got.byOffset() {
		if r.Err == nil {
			require.EqualValues(t, 2*offset, r.Value)
		}
	}
}

func TestBatchLimitsAreChecked(t *testing.T) {
	var s sizes
	for _, l := range []batch.Limits{{}, {Items: -1}, {Items: 10_001}, {Bytes: -1}, {Items: 1, Wait: -1}} {
		_, err := dmap.MapBatch(t.Context(), numbers(1), l, s.double, dmap.Options{})
		require.ErrorContains(t, err, "batch: Limits")
	}
}
