package dmap_test

import (
	"context"
	"errors"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
)

func TestABrokenSourceEndsTheRunAfterTheItemsItYielded(t *testing.T) {
	src := items(func(_ context.Context, yield func(dmap.Item[int], error) bool) {
		for i := range 100 {
			if !yield(dmap.Item[int]{Offset: int64(i)}, nil) {
				return
			}
		}
		yield(dmap.Item[int]{}, errBoom)
	})
	var got keep[int]
	stats, err := dmap.Map(t.Context(), src, double, dmap.Options{}, &got)
	var broken *dmap.SourceError
	require.ErrorAs(t, err, &broken)
	require.ErrorIs(t, err, errBoom)
	require.EqualValues(t, 100, stats.Succeeded)
	require.Len(t, got.results, 100)
	require.EqualValues(t, 100, got.ended[0].Unread.Splits[0].From.Offset)
}

func TestAPanickingSourceIsAnError(t *testing.T) {
	src := items(func(context.Context, func(dmap.Item[int], error) bool) { panic(errBoom) })
	_, err := dmap.Map(t.Context(), src, double, dmap.Options{})
	require.ErrorIs(t, err, errBoom)
}

func TestGoexitInASourceIsAnError(t *testing.T) {
	src := items(func(_ context.Context, yield func(dmap.Item[int], error) bool) {
		yield(dmap.Item[int]{}, nil)
		goexit()
	})
	_, err := dmap.Map(t.Context(), src, double, dmap.Options{})
	require.ErrorIs(t, err, dmap.ErrGoexit)
}

func TestASingleCallAtOnceKeepsSourceOrder(t *testing.T) {
	var seen []int
	_, err := dmap.Map(t.Context(), pieces{1000, 7}, func(_ context.Context, i int) (int, error) {
		seen = append(seen, i)
		return i, nil
	}, dmap.Options{MaxConcurrency: 1})
	require.NoError(t, err)
	for i, got := range seen {
		require.Equal(t, i, got)
	}
	require.Len(t, seen, 1000)
}

func TestMaxItemsTakesExactlyTheFirstN(t *testing.T) {
	for _, n := range []int64{1, 63, 64, 65, 999, 1000, 1001} {
		var mu sync.Mutex
		seen := map[int]bool{}
		stats, err := dmap.Map(t.Context(), pieces{1000, 10}, func(_ context.Context, i int) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			seen[i] = true
			return i, nil
		}, dmap.Options{MaxItems: n})
		require.NoError(t, err)
		require.EqualValues(t, min(n, 1000), stats.Succeeded)
		require.Equal(t, n <= 1000, stats.Truncated)
		requireSum(t, stats)
		for i := range int(min(n, 1000)) {
			require.True(t, seen[i], i)
		}
	}
}

func TestMaxItemsDoesNotWaitForTheItemAfterTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live := items(func(ctx context.Context, yield func(dmap.Item[int], error) bool) {
			for i := range 3 {
				if !yield(dmap.Item[int]{Offset: int64(i)}, nil) {
					return
				}
			}
			<-ctx.Done()
		})
		stats, err := dmap.Map(t.Context(), live, double, dmap.Options{MaxItems: 3})
		require.NoError(t, err)
		require.EqualValues(t, 3, stats.Succeeded)
	})
}

func TestSkippedItemsAreCountedAndNotCalled(t *testing.T) {
	src := items(func(_ context.Context, yield func(dmap.Item[int], error) bool) {
		for i := range 100 {
			item := dmap.Item[int]{Offset: int64(i), Value: i}
			if i%2 == 0 {
				item.Err = dmap.ErrSkip
			}
			if !yield(item, nil) {
				return
			}
		}
	})
	var got keep[int]
	stats, err := dmap.Map(t.Context(), src, func(_ context.Context, i int) (int, error) {
		if i%2 == 0 {
			return 0, errors.New("called for a skipped item")
		}
		if i == 51 {
			return 0, dmap.ErrSkip
		}
		return i, nil
	}, dmap.Options{MaxItems: 40}, &got)
	require.NoError(t, err)
	require.EqualValues(t, 39, stats.Succeeded)
	require.EqualValues(t, 41, stats.Skipped)
	require.Len(t, got.results, 39)
	requireSum(t, stats)
}

func TestABadItemFailsAloneWithoutACall(t *testing.T) {
	src := items(func(_ context.Context, yield func(dmap.Item[int], error) bool) {
		for i := range 10 {
			item := dmap.Item[int]{Key: "k", Offset: int64(i)}
			if i == 4 {
				item.Err = errBoom
			}
			if !yield(item, nil) {
				return
			}
		}
	})
	var got keep[int]
	stats, err := dmap.Map(t.Context(), src, double, dmap.Options{Tolerance: dmap.Tolerance{Count: 1}, Retry: dmap.Retry{MaxAttempts: 5}}, &got)
	require.NoError(t, err)
	require.EqualValues(t, 1, stats.Failed)
	require.EqualValues(t, 9, stats.Calls)
	bad := got.byOffset()[4]
	require.ErrorIs(t, bad.Err, errBoom)
	require.Equal(t, "read", dmap.Class(bad.Err))
	require.Zero(t, bad.Attempt)
}

func TestReadingWaitsForWorkersByItemsAndBytes(t *testing.T) {
	blocked := func(ctx context.Context, _ int) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	for _, c := range []struct {
		name       string
		fn         func(context.Context, int) (int, error)
		size       int64
		limits     batch.Limits
		pauseAt    int // the item with which the run is paused
		atMostRead int64
	}{
		{"items", blocked, 10, batch.Limits{}, 0, 200},
		{"bytes", blocked, 16 << 20, batch.Limits{}, 0, 6},
		{"items of fast calls", double, 10, batch.Limits{}, 5000, 8*64 + 16*64 + 2*64}, // wait, are with workers, are being read
		{"batches", nil, 10, batch.Limits{Items: 50}, 0, 50 * 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var run *dmap.Run
				started := make(chan struct{})
				src := items(func(_ context.Context, yield func(dmap.Item[int], error) bool) {
					<-started
					for i := 0; yield(dmap.Item[int]{Offset: int64(i), Size: c.size}, nil); i++ {
						if i == c.pauseAt {
							run.Pause()
						}
					}
				})
				var err error
				if opts := (dmap.Options{MaxConcurrency: 16}); c.limits.Items == 0 {
					run, err = dmap.Start(t.Context(), src, c.fn, opts)
				} else {
					run, err = dmap.StartBatch(t.Context(), src, c.limits, new(sizes).double, opts)
				}
				require.NoError(t, err)
				close(started)
				time.Sleep(time.Minute)
				paused := run.Stats()
				require.LessOrEqual(t, paused.Read-paused.Succeeded, c.atMostRead)
				require.GreaterOrEqual(t, paused.Read, int64(c.pauseAt))
				run.Cancel(nil)
				stats, err := run.Wait()
				require.ErrorIs(t, err, dmap.ErrCanceled)
				requireSum(t, stats)
			})
		})
	}
}

func TestADurableRunRefusesCursorsThatDoNotGrow(t *testing.T) {
	_, err := dmap.Map(t.Context(), still{pieces{10, 5}}, double, dmap.Options{RunID: "r"}, &diary{})
	require.ErrorContains(t, err, "Next")
	_, err = dmap.Map(t.Context(), still{pieces{10, 5}}, double, dmap.Options{})
	require.NoError(t, err)
}

type still struct{ pieces }

func (s still) Plan() dmap.Plan[int] { return planOf(s) }

func (s still) Read(ctx context.Context, split dmap.Split) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		for item, err := range s.pieces.Read(ctx, split) {
			item.Next = dmap.Cursor{}
			if !yield(item, err) {
				return
			}
		}
	}
}
