package dmap_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
)

func TestAfterATripCallsInFlightMayFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var causes []error
		stats, err := dmap.Map(t.Context(), numbers(3), func(ctx context.Context, i int) (int, error) {
			switch i {
			case 0:
				time.Sleep(time.Second)
				return 0, errBoom
			case 1: // comes back within the drain
				time.Sleep(20 * time.Second)
				return 1, nil
			default: // does not
				<-ctx.Done()
				causes = append(causes, context.Cause(ctx))
				return 0, ctx.Err()
			}
		}, dmap.Options{MaxConcurrency: 3})
		require.ErrorIs(t, err, dmap.ErrTolerance)
		require.EqualValues(t, 1, stats.Succeeded)
		require.EqualValues(t, 1, stats.Failed)
		require.EqualValues(t, 1, stats.Pending, "interrupted is not failed")
		require.Len(t, causes, 1)
		require.ErrorIs(t, causes[0], dmap.ErrTolerance)
		require.Equal(t, 31*time.Second, time.Since(began))
	})
}

func TestCancellationLeavesItemsPendingAndReturnsTheCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("maintenance")
		time.AfterFunc(5*time.Second, func() { cancel(why) })
		var got keep[int]
		stats, err := dmap.Map(ctx, numbers(1_000_000), func(ctx context.Context, i int) (int, error) {
			select {
			case <-time.After(time.Second + time.Millisecond):
				return i, nil
			case <-ctx.Done():
				return 0, context.Cause(ctx)
			}
		}, dmap.Options{MaxConcurrency: 10, Retry: dmap.Retry{MaxAttempts: 3}}, &got)
		require.ErrorIs(t, err, why)
		require.EqualValues(t, 40, stats.Succeeded)
		require.Zero(t, stats.Failed)
		require.Positive(t, stats.Pending)
		requireSum(t, stats)
		require.Len(t, got.results, 40)
		require.Len(t, got.ended, 1)
		require.ErrorIs(t, got.ended[0].Err, why)
	})
}

func TestACanceledContextStartsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	stats, err := dmap.Map(ctx, numbers(100), double, dmap.Options{})
	require.ErrorIs(t, err, context.Canceled)
	requireSum(t, stats)
}

// slowSink saves its results only after an hour, or never if its context ends before.
type slowSink struct{ keep[int] }

func (s *slowSink) Flush(ctx context.Context) error {
	select {
	case <-time.After(time.Hour):
		return s.keep.Flush(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestACancellationBoundsTheTimeThatSinksHave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(errBoom) })
		began := time.Now()
		stats, err := dmap.Map(ctx, numbers(2), double, dmap.Options{}, dmap.Sink[int](&slowSink{}))
		var broken *dmap.SinkError
		require.ErrorAs(t, err, &broken)
		require.EqualValues(t, 2, stats.Succeeded)
		require.Equal(t, time.Minute+30*time.Second, time.Since(began))
	})
}

func TestACancellationAfterTheLastCallDoesNotUndoTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Hour-time.Second, func() { cancel(errBoom) })
		stats, err := dmap.Map(ctx, numbers(2), double, dmap.Options{}, dmap.Sink[int](&slowSink{}))
		require.NoError(t, err)
		require.EqualValues(t, 2, stats.Succeeded)
	})
}

// Whatever the moment of a cancellation: the counts add up, every settled item is delivered once,
// the rest is pending.
func TestCancelAtEveryCall(t *testing.T) {
	const n = 300
	for at := range n + 1 {
		for _, limits := range []batch.Limits{{}, {Items: 7}} {
			ctx, cancel := context.WithCancelCause(t.Context())
			var calls, running atomic.Int64
			call := func(ctx context.Context) error {
				running.Add(1)
				defer running.Add(-1)
				if calls.Add(1) == int64(at) {
					cancel(errBoom)
				}
				return ctx.Err()
			}
			var got keep[int]
			opts := dmap.Options{MaxConcurrency: 1 + at%7, Retry: dmap.Retry{MaxAttempts: 2}}
			var stats dmap.Stats
			var err error
			if limits.Items == 0 {
				stats, err = dmap.Map(ctx, pieces{n, 40}, func(ctx context.Context, i int) (int, error) { return i, call(ctx) }, opts, &got)
			} else {
				stats, err = dmap.MapBatch(ctx, pieces{n, 40}, limits, func(ctx context.Context, in []dmap.Item[int]) ([]int, error) {
					return make([]int, len(in)), call(ctx)
				}, opts, &got)
			}
			require.Zero(t, running.Load())
			if err != nil {
				require.ErrorIs(t, err, errBoom)
			}
			requireSum(t, stats)
			requireDisjoint(t, n, &got)
			require.Zero(t, stats.Failed)
			cancel(nil)
		}
	}
}

func TestThousandsOfRunsLeakNothing(t *testing.T) {
	for i := range 2000 {
		ctx, cancel := context.WithCancel(t.Context())
		if i%3 == 0 {
			cancel()
		}
		stats, err := dmap.Map(ctx, pieces{20, 3}, double, dmap.Options{MaxConcurrency: 1 + i%5})
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		requireSum(t, stats)
		cancel()
	}
}

// What the tolerance says holds the failures that were too many, which may be permanent ones.
func TestACallThatReturnsTheCauseOfItsCancellationIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got keep[int]
		stats, err := dmap.Map(t.Context(), numbers(2), func(ctx context.Context, i int) (int, error) {
			if i == 0 {
				time.Sleep(time.Millisecond) // the other call is on its way
				return 0, dmap.Permanent(errBoom)
			}
			<-ctx.Done()
			return 0, context.Cause(ctx)
		}, dmap.Options{MaxConcurrency: 2, DrainTimeout: time.Second}, dmap.Sink[int](&got))
		require.ErrorIs(t, err, dmap.ErrTolerance)
		require.EqualValues(t, 1, stats.Failed)
		require.EqualValues(t, 1, stats.Pending)
	})
}

func TestCallsSeeTheDeadlineOfTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		stats, err := dmap.Map(ctx, numbers(1), func(ctx context.Context, _ int) (int, error) {
			deadline, _ := ctx.Deadline()
			if time.Until(deadline) != time.Minute {
				return 0, dmap.Permanent(context.DeadlineExceeded)
			}
			<-ctx.Done()
			return 0, ctx.Err()
		}, dmap.Options{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, stats.Failed)
		require.EqualValues(t, 1, stats.Pending)
	})
}
