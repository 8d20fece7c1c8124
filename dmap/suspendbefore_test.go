package dmap_test

import (
	"context"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

func TestSuspendBeforeEndsAMarginBeforeTheDeadline(t *testing.T) {
	for _, c := range []struct{ limit, margin, after time.Duration }{
		{15 * time.Minute, 30 * time.Second, 14*time.Minute + 30*time.Second},
		{15 * time.Minute, 0, 14 * time.Minute},
		{10 * time.Second, 0, 9 * time.Second},
		{10 * time.Second, -1, 9 * time.Second},
		{10 * time.Second, 8 * time.Second, 5 * time.Second},
		{10 * time.Second, math.MaxInt64, 5 * time.Second},
		{0, time.Second, 0},
		{-time.Hour, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			parent, cancel := context.WithDeadline(t.Context(), began.Add(c.limit))
			defer cancel()
			ctx, stop := dmap.SuspendBefore(parent, c.margin)
			defer stop()
			deadline, ok := ctx.Deadline()
			require.True(t, ok)
			require.Equal(t, began.Add(c.limit), deadline, "that of the host")
			<-ctx.Done()
			require.Equal(t, c.after, time.Since(began), "%+v", c)
			if c.limit > 0 {
				require.ErrorIs(t, context.Cause(ctx), dmap.ErrSuspended)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancelCause(t.Context())
		ctx, stop := dmap.SuspendBefore(parent, time.Second)
		defer stop()
		time.Sleep(time.Hour)
		require.NoError(t, ctx.Err(), "without a deadline nothing ends it")
		cancel(errWhy)
		require.Equal(t, errWhy, context.Cause(ctx))
		ctx, stop = dmap.SuspendBefore(t.Context(), 0)
		stop()
		require.ErrorIs(t, context.Cause(ctx), context.Canceled)
	})
}

// A run of three hours hops through functions of 15 minutes: no call is interrupted, and each
// function returns before its limit.
func TestARunHopsThroughFunctionsWithATimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var calls, interrupted atomic.Int64
		hops := 0
		for {
			began := time.Now()
			host, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
			ctx, stop := dmap.SuspendBefore(host, time.Minute)
			stats, err := dmap.Map(ctx, numbers(5000), func(ctx context.Context, i int) (int, error) {
				calls.Add(1)
				select {
				case <-time.After(20 * time.Second):
					return i, nil
				case <-ctx.Done():
					interrupted.Add(1)
					return 0, ctx.Err()
				}
			}, dmap.Options{RunID: "r", MaxConcurrency: 10}, &page{}, &d)
			stop()
			cancel()
			require.Less(t, time.Since(began), 15*time.Minute)
			if err == nil {
				require.EqualValues(t, 5000, stats.Succeeded)
				break
			}
			require.ErrorIs(t, err, dmap.ErrOpen)
			require.Equal(t, 75, dmap.ExitCode(err))
			hops++
		}
		require.Zero(t, interrupted.Load())
		require.EqualValues(t, 5000, calls.Load())
		require.Equal(t, 11, hops)
		require.Len(t, d.counted(t), 5000)
	})
}

// A call that takes too long is interrupted at half of the margin: the other half is for results.
func TestASlowCallDoesNotUseUpTheMargin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		host, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		ctx, stop := dmap.SuspendBefore(host, 20*time.Second)
		defer stop()
		_, err := dmap.Map(ctx, numbers(3), func(ctx context.Context, _ int) (int, error) {
			<-ctx.Done()
			require.Equal(t, 50*time.Second, time.Since(began))
			return 0, ctx.Err()
		}, dmap.Options{RunID: "r", DrainTimeout: time.Hour}, &page{}, &diary{})
		require.ErrorIs(t, err, dmap.ErrSuspended)
		require.Equal(t, 50*time.Second, time.Since(began))
	})
}
