package dmap_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

func requireSum(t *testing.T, s dmap.Stats) {
	t.Helper()
	require.Equal(t, s.Read, s.Succeeded+s.Failed+s.Skipped+s.Pending, "%+v", s)
}

func TestMapCallsTheFunctionOncePerItem(t *testing.T) {
	for _, src := range []dmap.Source[int]{numbers(5000), pieces{5000, 64}, pieces{5000, 1}, pieces{5000, 10000}, filler{pieces{5000, 640}}} {
		for _, concurrency := range []int{1, 2, 100, 1000} {
			t.Run(fmt.Sprintf("%T/%d", src, concurrency), func(t *testing.T) {
				var got keep[int]
				stats, err := dmap.Map(t.Context(), src, double, dmap.Options{MaxConcurrency: concurrency}, &got)
				require.NoError(t, err)
				require.EqualValues(t, 5000, stats.Read)
				require.EqualValues(t, 5000, stats.Succeeded)
				require.EqualValues(t, 5000, stats.Calls)
				requireSum(t, stats)
				require.Len(t, got.results, 5000)
				for offset, r := range got.byOffset() {
					require.EqualValues(t, 2*offset, r.Value)
					require.NoError(t, r.Err)
					require.EqualValues(t, offset, *r.Input.(*int))
				}
				require.Len(t, got.byOffset(), 5000)
				require.Equal(t, 1, got.flushed)
				require.Len(t, got.began, 1)
				require.Len(t, got.ended, 1)
				require.Equal(t, stats, got.ended[0].Stats)
			})
		}
	}
}

func TestMapOfNothingSucceeds(t *testing.T) {
	stats, err := dmap.Map(t.Context(), numbers(0), double, dmap.Options{})
	require.NoError(t, err)
	require.Zero(t, stats.Read)
}

// A gauge is kept by hand here: the number of calls at once must reach the limit and never pass it.
func TestConcurrencyReachesTheLimitAndNeverPassesIt(t *testing.T) {
	for _, limit := range []int{1, 3, 100, 10_000} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var now, peak atomic.Int64
				began := time.Now()
				stats, err := dmap.Map(t.Context(), numbers(3*limit), func(_ context.Context, i int) (int, error) {
					n := now.Add(1)
					for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
					}
					time.Sleep(time.Second)
					now.Add(-1)
					return i, nil
				}, dmap.Options{MaxConcurrency: limit})
				require.NoError(t, err)
				require.EqualValues(t, 3*limit, stats.Succeeded)
				require.EqualValues(t, limit, peak.Load())
				require.Equal(t, 3*time.Second, time.Since(began))
			})
		})
	}
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

func TestMaxItemsDoesNotWaitForAnItemBeyond(t *testing.T) {
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

func TestPanicNilPanicAndGoexitCostOneItemEach(t *testing.T) {
	for _, concurrency := range []int{1, 50} {
		var got keep[int]
		stats, err := dmap.Map(t.Context(), numbers(1000), func(_ context.Context, i int) (int, error) {
			switch i {
			case 10:
				panic("ten")
			case 20:
				panic(nil)
			case 30:
				runtime.Goexit()
			case 40:
				panic(errBoom)
			}
			return i, nil
		}, dmap.Options{MaxConcurrency: concurrency, Tolerance: dmap.Tolerance{Count: 4}, Retry: dmap.Retry{MaxAttempts: 3}}, &got)
		require.NoError(t, err)
		require.EqualValues(t, 996, stats.Succeeded)
		require.EqualValues(t, 4, stats.Failed)
		require.EqualValues(t, 1000, stats.Calls, "none is retried")
		requireSum(t, stats)
		by := got.byOffset()
		var p *dmap.PanicError
		require.ErrorAs(t, by[10].Err, &p)
		require.Equal(t, "ten", p.Value)
		require.Contains(t, string(p.Stack), "map_test.go")
		require.ErrorAs(t, by[20].Err, &p)
		require.ErrorIs(t, by[30].Err, dmap.ErrGoexit)
		require.ErrorIs(t, by[40].Err, errBoom)
		require.Equal(t, "goexit", dmap.Class(by[30].Err))
		require.Equal(t, "panic", dmap.Class(by[40].Err))
	}
}

func TestInfoIsThatOfTheCall(t *testing.T) {
	_, err := dmap.Map(t.Context(), pieces{100, 10}, func(ctx context.Context, i int) (int, error) {
		info, ok := dmap.InfoFrom(ctx)
		if !ok || info.Offset != int64(i) || info.RunID != "r1" || info.Attempt != 1 || info.ID() != fmt.Sprintf("n@%d", i) {
			return 0, fmt.Errorf("info of %d: %+v", i, info)
		}
		if info.IdempotencyKey() != dmap.IdempotencyKey("r1", info.ID()) {
			return 0, errors.New("idempotency key")
		}
		return 0, nil
	}, dmap.Options{RunID: "r1"})
	require.NoError(t, err)
	_, ok := dmap.InfoFrom(t.Context())
	require.False(t, ok)
}

func TestWrongOptionsAreReportedAllAtOnce(t *testing.T) {
	read := items(func(context.Context, func(dmap.Item[int], error) bool) { t.Error("the source was read") })
	_, err := dmap.Map(t.Context(), read, double, dmap.Options{
		RunID: "../x", Parent: "a/b", MaxConcurrency: 10_001, MaxItems: -1, Timeout: -1, DrainTimeout: -1, AbandonAfter: -1,
		Retry:     dmap.Retry{MaxAttempts: -1, Initial: -1, Factor: 0.5, Max: -1},
		Tolerance: dmap.Tolerance{Count: -1, Percentage: 101, MinItems: -1},
	}, nil)
	for _, want := range []string{"RunID", "Parent", "MaxConcurrency", "MaxItems", "Timeout", "DrainTimeout", "AbandonAfter", "MaxAttempts",
		"Initial", "Factor", "Max ", "Count", "Percentage", "MinItems", "sink 0"} {
		require.ErrorContains(t, err, want)
	}
	_, err = dmap.Map[int, int](t.Context(), nil, nil, dmap.Options{})
	require.ErrorContains(t, err, "source is nil")
	require.ErrorContains(t, err, "function is nil")
}
