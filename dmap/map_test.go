package dmap_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
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
				byOffset := got.byOffset()
				require.Len(t, byOffset, 5000)
				for offset, r := range byOffset {
					if int64(r.Value) != 2*offset || r.Err != nil || int64(*r.Input.(*int)) != offset {
						t.Fatalf("item %d: %+v of input %d", offset, r, *r.Input.(*int))
					}
				}
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

func TestInfoDescribesTheCall(t *testing.T) {
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
}

func TestOutsideACallThereIsNoInfoAndNoKey(t *testing.T) {
	info, ok := dmap.InfoFrom(t.Context())
	require.False(t, ok)
	require.Zero(t, info)
	require.Empty(t, info.IdempotencyKey())
	require.Empty(t, dmap.IdempotencyKey(info.RunID, "data/a.json"), "the same key in every run")
	require.Len(t, dmap.IdempotencyKey("r", "data/a.json"), 32)
	_, err := dmap.MapBatch(t.Context(), numbers(1), batch.Limits{Items: 1}, func(ctx context.Context, in []dmap.Item[int]) ([]int, error) {
		outside, ok := dmap.InfoFrom(context.WithoutCancel(t.Context()))
		if ok || outside.IdempotencyKey() != "" {
			return nil, errors.New("the context of the caller has an Info")
		}
		if inside, ok := dmap.InfoFrom(context.WithoutCancel(ctx)); !ok || inside.IdempotencyKey() == "" {
			return nil, errors.New("no Info in a context derived from that of the call")
		}
		return make([]int, len(in)), nil
	}, dmap.Options{})
	require.NoError(t, err)
}

func TestWrongOptionsAreReportedAllAtOnce(t *testing.T) {
	read := items(func(context.Context, func(dmap.Item[int], error) bool) { t.Error("the source was read") })
	_, err := dmap.Map(t.Context(), read, double, dmap.Options{
		RunID: "../x", MaxConcurrency: 10_001, MaxItems: -1, Timeout: -1, DrainTimeout: -1, AbandonAfter: -1,
		Retry:     dmap.Retry{MaxAttempts: -1, Initial: -1, Factor: 0.5, Max: -1},
		Tolerance: dmap.Tolerance{Count: -1, Percentage: 101, MinItems: -1},
	}, nil)
	for _, want := range []string{"RunID", "MaxConcurrency", "MaxItems", "Timeout", "DrainTimeout", "AbandonAfter", "MaxAttempts",
		"Initial", "Factor", "Max ", "Count", "Percentage", "MinItems", "sink 0"} {
		require.ErrorContains(t, err, want)
	}
	_, err = dmap.Map[int, int](t.Context(), nil, nil, dmap.Options{})
	require.ErrorContains(t, err, "source is nil")
	require.ErrorContains(t, err, "function is nil")
}

func TestAPanicFailsItsItemWhateverItsValueMarks(t *testing.T) {
	for name, value := range map[string]error{
		"skip": dmap.ErrSkip, "wrapped": fmt.Errorf("x: %w", dmap.ErrSkip), "hold": dmap.Hold("ask"), "joined": errors.Join(errBoom, dmap.ErrSkip),
		"foreign": rude{func() {}}, "canceled": context.Canceled,
	} {
		stats, err := dmap.Map(t.Context(), numbers(1), func(context.Context, int) (int, error) { panic(value) },
			dmap.Options{Tolerance: dmap.Tolerance{Count: 1}})
		require.NoError(t, err, name)
		require.EqualValues(t, 1, stats.Failed, name)
		require.Zero(t, stats.Skipped+stats.Held, name)
	}
}
