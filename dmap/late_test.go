package dmap_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

// A context can end between the last look at it and the call: that is one call for each slot.
func TestNoCallBeginsAfterTheEndOfTheContext(t *testing.T) {
	over := errors.New("over")
	list := make([]int, 1_000_000)
	for name, end := range map[string]func(context.Context) (context.Context, func()){
		"deadline": func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithTimeoutCause(ctx, 5*time.Millisecond, over)
			return ctx, cancel
		},
		"canceled": func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithCancelCause(ctx)
			timer := time.AfterFunc(5*time.Millisecond, func() { cancel(over) })
			return ctx, func() { timer.Stop(); cancel(nil) }
		},
	} {
		for _, concurrency := range []int{1, 3} {
			for range 10 {
				ctx, release := end(t.Context())
				var late atomic.Int64
				called := func(ctx context.Context) error {
					if ctx.Err() != nil {
						late.Add(1)
					}
					return ctx.Err()
				}
				opts := dmap.Options{MaxConcurrency: concurrency}
				stats, err := dmap.Map(ctx, source.Slice(list), func(ctx context.Context, n int) (int, error) { return n, called(ctx) }, opts)
				require.ErrorIs(t, err, over, name)
				require.Zero(t, stats.Failed)
				require.LessOrEqual(t, late.Load(), int64(concurrency), name)

				release()
				ctx, release = end(t.Context())
				late.Store(0)
				stats, err = dmap.MapBatch(ctx, source.Slice(list), batch.Limits{Items: 2}, func(ctx context.Context, items []dmap.Item[int]) ([]int, error) {
					return make([]int, len(items)), called(ctx)
				}, opts)
				require.ErrorIs(t, err, over, name)
				require.Zero(t, stats.Failed)
				require.LessOrEqual(t, late.Load(), int64(concurrency), name)
				release()
			}
		}
	}
}
