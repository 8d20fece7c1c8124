package sink_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// The results of a sink are known by its position: in another one they would be lost.
func TestARunWithItsSinksInAnotherOrderIsRefused(t *testing.T) {
	list := make([]int, 100)
	for i := range list {
		list[i] = i
	}
	names := func(bucket *blob.Bucket) (all []string) {
		for object, err := bucket.List(nil), error(nil); err == nil; {
			var o *blob.ListObject
			if o, err = object.Next(t.Context()); err == nil {
				all = append(all, o.Key)
			}
		}
		return all
	}
	for _, redrive := range []bool{false, true} {
		t.Run(fmt.Sprintf("redrive %v", redrive), func(t *testing.T) {
			bucket := memory(t)
			calls := 0
			call := func(stops, fails bool, sinks ...dmap.Sink[int]) (dmap.Stats, error) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				return dmap.Map(ctx, source.Slice(list), func(_ context.Context, n int) (int, error) {
					calls++
					if stops && n == 50 {
						cancel(dmap.ErrSuspended)
					}
					if fails && n > 50 {
						return 0, errors.New("it fails")
					}
					return n, nil
				}, dmap.Options{RunID: "r", MaxConcurrency: 1, Redrive: dmap.Redrive{Max: 1}}, sinks...)
			}
			out := func() dmap.Sink[int] { return sink.Bucket[int](bucket, "out") }
			_, err := call(!redrive, redrive, out())
			require.Error(t, err)
			calls = 0
			before := names(bucket)
			for _, sinks := range [][]dmap.Sink[int]{
				{new(sink.Memory[int]), out()},
				{out(), sink.Bucket[int](bucket, "second")},
			} {
				_, err = call(false, false, sinks...)
				require.ErrorIs(t, err, dmap.ErrSpecChanged)
				require.ErrorContains(t, err, "sinks: ")
				require.Equal(t, 78, dmap.ExitCode(err))
				require.Zero(t, calls)
				require.Equal(t, before, names(bucket))
			}

			stats, err := call(false, false, out())
			require.NoError(t, err)
			require.EqualValues(t, 100, stats.Succeeded)
			require.Len(t, listed(t, bucket)["SUCCEEDED"], 100)
		})
	}
}

// Machines share a run with one sink. With it alone, the results of another one would end where the
// machines begin.
func TestARunWithOtherSinksIsNotShared(t *testing.T) {
	for _, first := range []bool{true, false} {
		bucket := memory(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		sinks := []dmap.Sink[int]{new(sink.Memory[int]), sink.Bucket[int](bucket, "out")}
		if first {
			sinks = []dmap.Sink[int]{sink.Bucket[int](bucket, "out"), sink.Bucket[int](bucket, "second")}
		}
		_, err := dmap.Map(ctx, upTo(100), func(_ context.Context, n int) (int, error) {
			if n == 50 {
				cancel(dmap.ErrSuspended)
			}
			return n, nil
		}, dmap.Options{RunID: "r", MaxConcurrency: 1}, sinks...)
		require.ErrorIs(t, err, dmap.ErrSuspended)
		_, _, err = sink.Bucket[int](bucket, "out").BeginShared(t.Context(), sharedSpec(), lease.Starter{}, nil)
		require.ErrorIs(t, err, dmap.ErrSpecChanged)
		require.ErrorContains(t, err, "sinks: begun with")
	}
}
