package dmap_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
)

func TestARunEndsWithSuccessWhenEnoughItemsHaveSucceeded(t *testing.T) {
	for _, concurrency := range []int{1, 4, 50} {
		for _, takes := range []time.Duration{0, time.Millisecond} {
			t.Run(fmt.Sprintf("%d at once, %v", concurrency, takes), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var d diary
					var log logLines
					out := &keep[int]{}
					opts := dmap.Options{
						RunID: "r", MaxConcurrency: concurrency, Enough: 100, Tolerance: dmap.Tolerance{Percentage: 30}, Logger: log.logger(0),
					}
					var calls atomic.Int64
					fn := func(_ context.Context, i int) (int, error) {
						calls.Add(1)
						time.Sleep(takes)
						if i%10 == 3 {
							return 0, errBoom
						}
						return i, nil
					}
					stats, err := dmap.Map(t.Context(), numbers(10_000), fn, opts, &page{}, &d, out)
					require.NoError(t, err)
					require.Equal(t, dmap.StateEnded, stats.State)
					require.Equal(t, "enough", stats.Reason)
					require.True(t, stats.Truncated)
					require.GreaterOrEqual(t, stats.Succeeded, int64(100))
					require.Less(t, stats.Succeeded, int64(100+concurrency))
					require.Zero(t, stats.Pending)
					require.Equal(t, calls.Load(), stats.Calls)
					require.Equal(t, stats.Read, stats.Succeeded+stats.Failed)
					require.Len(t, d.counted(t), int(stats.Read))
					require.Len(t, out.results, int(stats.Read))
					require.Len(t, out.ended, 1)
					require.Equal(t, dmap.Unread{}, out.ended[0].Unread, "nothing is left to redo")
					require.Empty(t, out.ended[0].Pending)
					for _, line := range log.about(t, "run stops") {
						require.Equal(t, slog.LevelInfo.String(), line["level"])
					}
				})
			})
		}
	}
}

func TestEnoughIsOfTheWholeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		ctx, cancel := context.WithCancelCause(t.Context())
		opts := dmap.Options{RunID: "r", MaxConcurrency: 1, Enough: 10}
		_, err := dmap.Map(ctx, numbers(100), func(_ context.Context, i int) (int, error) {
			if i == 5 {
				cancel(dmap.ErrSuspended)
				synctest.Wait()
			}
			return i, nil
		}, opts, &page{}, &d)
		require.ErrorIs(t, err, dmap.ErrSuspended)
		var calls atomic.Int64
		again := func(_ context.Context, i int) (int, error) { calls.Add(1); return i, nil }
		stats, err := dmap.Map(t.Context(), numbers(100), again, opts, &page{}, &d)
		require.NoError(t, err)
		require.EqualValues(t, 10, stats.Succeeded)
		require.EqualValues(t, 4, calls.Load())

		// a process that was killed at that moment has not written the end: the next one calls
		// nothing
		stats, err = dmap.Map(t.Context(), numbers(100), again, opts, &page{}, &d)
		require.NoError(t, err)
		require.EqualValues(t, 10, stats.Succeeded)
		require.EqualValues(t, 10, stats.Read)
		require.EqualValues(t, 4, calls.Load())
		require.Equal(t, "enough", stats.Reason)
		require.Len(t, d.counted(t), 10)
	})
}

func TestCallsInFlightAreCountedWhenThereIsEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		stats, err := dmap.Map(t.Context(), numbers(100), func(ctx context.Context, i int) (int, error) {
			wait := time.Duration(i) * 10 * time.Second
			select {
			case <-time.After(wait):
				return i, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}, dmap.Options{MaxConcurrency: 6, Enough: 2, DrainTimeout: 25 * time.Second})
		require.NoError(t, err)
		require.Equal(t, 35*time.Second, time.Since(began), "the second returns after 10 s")
		require.EqualValues(t, 4, stats.Succeeded, "those of 20 and 30 s return in time")
		require.Zero(t, stats.Failed)
		require.Zero(t, stats.Pending)
		require.Equal(t, "enough", stats.Reason)
	})
}

func TestEnoughSuccessesDoNotHideTooManyFailures(t *testing.T) {
	stats, err := dmap.Map(t.Context(), numbers(1000), func(_ context.Context, i int) (int, error) {
		if i%2 == 0 {
			return 0, errBoom
		}
		return i, nil
	}, dmap.Options{MaxConcurrency: 1, Enough: 10, Tolerance: dmap.Tolerance{Percentage: 30}})
	require.ErrorIs(t, err, dmap.ErrTolerance)
	require.Equal(t, "tolerance", stats.Reason)
	require.EqualValues(t, 10, stats.Succeeded)
}

func TestEnoughInBatchesAndBeyondTheSource(t *testing.T) {
	stats, err := dmap.MapBatch(t.Context(), numbers(1000), batch.Limits{Items: 7}, func(_ context.Context, in []dmap.Item[int]) ([]int, error) {
		return make([]int, len(in)), batch.Errors{0: errBoom}
	}, dmap.Options{MaxConcurrency: 1, Enough: 20, Tolerance: dmap.Tolerance{Percentage: 50}})
	require.NoError(t, err)
	require.EqualValues(t, 24, stats.Succeeded)
	require.Equal(t, "enough", stats.Reason)

	stats, err = dmap.Map(t.Context(), numbers(10), double, dmap.Options{Enough: 20})
	require.NoError(t, err)
	require.Equal(t, "succeeded", stats.Reason)
	require.False(t, stats.Truncated)

	_, err = dmap.Map(t.Context(), numbers(10), double, dmap.Options{Enough: -1})
	require.ErrorContains(t, err, "Options.Enough")
}

// The rest of the source is named also where all of it was read, or MaxItems ended the reading.
func TestEnoughTruncatesASourceThatWasRead(t *testing.T) {
	for _, opts := range []dmap.Options{{Enough: 3}, {Enough: 3, MaxItems: 20}, {Enough: 20, MaxItems: 20}} {
		synctest.Test(t, func(t *testing.T) {
			opts.MaxConcurrency = 1
			stats, err := dmap.Map(t.Context(), numbers(21), func(_ context.Context, i int) (int, error) {
				synctest.Wait() // the source is read
				return i, nil
			}, opts)
			require.NoError(t, err)
			require.Equal(t, "enough", stats.Reason)
			require.Equal(t, opts.Enough, stats.Read)
			require.True(t, stats.Truncated)
		})
	}
}

// A success that a sink rejects is a failure, and not one of those that are enough.
func TestRejectedSuccessesAreNotEnough(t *testing.T) {
	stats, err := dmap.Map(t.Context(), numbers(100), double, dmap.Options{MaxConcurrency: 3, Enough: 10, Tolerance: dmap.Tolerance{Percentage: 90}},
		dmap.Sink[int](rejectsOdd{}))
	require.NoError(t, err)
	require.GreaterOrEqual(t, stats.Succeeded, int64(10))
	require.Positive(t, stats.Failed)
}

// rejectsOdd rejects the results of odd items.
type rejectsOdd struct{}

func (rejectsOdd) Flush(context.Context) error { return nil }

func (rejectsOdd) Write(_ context.Context, results []dmap.Result[int]) error {
	bad := batch.Errors{}
	for i, r := range results {
		if r.Err == nil && r.Offset%2 == 1 {
			bad[i] = errors.New("odd")
		}
	}
	return bad.Err()
}

// A source that is idle does not hold up the end.
func TestEnoughEndsTheReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		src := items(func(ctx context.Context, yield func(dmap.Item[int], error) bool) {
			yield(dmap.Item[int]{Key: "n", Next: dmap.Cursor{Offset: 1}}, nil)
			<-ctx.Done()
		})
		stats, err := dmap.Map(t.Context(), src, double, dmap.Options{Enough: 1})
		require.NoError(t, err)
		require.Equal(t, "enough", stats.Reason)
		require.Less(t, time.Since(began), time.Second)
	})
}

func TestResultsEndWithEnough(t *testing.T) {
	got := 0
	for _, err := range dmap.Results(t.Context(), numbers(1000), double, dmap.Options{MaxConcurrency: 2, Enough: 10}) {
		require.NoError(t, err)
		got++
	}
	require.GreaterOrEqual(t, got, 10)
	require.Less(t, got, 12)
}
