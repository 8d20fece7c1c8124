package dmap_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// untilDone returns when its context ends, and fails then.
func untilDone(ctx context.Context, _ int) (int, error) {
	<-ctx.Done()
	return 0, context.Cause(ctx)
}

func TestTheEndOfTheContextLeavesTheRunOpenAndTheSameCallResumesIt(t *testing.T) {
	for name, cause := range map[string]error{"canceled": nil, "why": errBoom, "suspended": dmap.ErrSuspended, "a run's error": dmap.ErrCanceled} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				p := &page{}
				opts := dmap.Options{RunID: "r", MaxConcurrency: 4, DrainTimeout: 5 * time.Second}
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(cause) })
				began := time.Now()
				stats, err := dmap.Map(ctx, numbers(20), untilDone, opts, p, &d)
				require.ErrorIs(t, err, dmap.ErrOpen)
				require.Equal(t, 75, dmap.ExitCode(err))
				require.ErrorContains(t, err, "call again with the same RunID")
				require.Equal(t, dmap.StateOpen, stats.State)
				require.False(t, stats.Resumed)
				require.True(t, p.ended[0].Resumable)
				require.Equal(t, dmap.StateOpen, p.ended[0].Stats.State)
				if name == "suspended" {
					require.Equal(t, "suspended", stats.Reason)
					require.Equal(t, 6*time.Second, time.Since(began), "calls in flight may return")
				} else {
					require.Equal(t, "context", stats.Reason)
					require.Equal(t, time.Second, time.Since(began), "calls in flight are interrupted at once")
				}
				if cause != nil {
					require.ErrorIs(t, err, cause)
				}
				last := d.commits[len(d.commits)-1]
				require.Equal(t, stats.Reason, last.Stop.Reason)

				stats, err = dmap.Map(t.Context(), numbers(20), double, opts, &page{}, &d)
				require.NoError(t, err)
				require.Zero(t, dmap.ExitCode(err))
				require.EqualValues(t, 20, stats.Succeeded)
				require.EqualValues(t, 20, stats.Calls, "interrupted calls are no attempts")
				require.True(t, stats.Resumed)
				require.Equal(t, dmap.StateEnded, stats.State)
				require.Equal(t, "succeeded", stats.Reason)
			})
		})
	}
}

func TestCancelEndsTheRun(t *testing.T) {
	for name, cause := range map[string]error{"nil": nil, "why": errBoom, "even so": dmap.ErrSuspended} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &page{}
				run, err := dmap.Start(t.Context(), numbers(20), untilDone, dmap.Options{RunID: "r", MaxConcurrency: 4}, p, &diary{})
				require.NoError(t, err)
				time.Sleep(time.Second)
				require.Equal(t, dmap.StateRunning, run.Stats().State)
				began := time.Now()
				run.Cancel(cause)
				stats, err := run.Wait()
				require.Zero(t, time.Since(began), "calls in flight are interrupted")
				require.ErrorIs(t, err, dmap.ErrCanceled)
				require.NotErrorIs(t, err, dmap.ErrOpen)
				require.Equal(t, 1, dmap.ExitCode(err))
				if cause != nil {
					require.ErrorIs(t, err, cause)
				}
				require.Equal(t, dmap.StateEnded, stats.State)
				require.Equal(t, "canceled", stats.Reason)
				require.Equal(t, stats, run.Stats())
				require.False(t, p.ended[0].Resumable)
			})
		})
	}
}

func TestCancelOfARunThatDrainsInterruptsAndEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		run, err := dmap.Start(ctx, numbers(20), untilDone, dmap.Options{RunID: "r", MaxConcurrency: 4}, &page{}, &diary{})
		require.NoError(t, err)
		time.Sleep(time.Second)
		began := time.Now()
		cancel(dmap.ErrSuspended)
		time.Sleep(time.Second)
		run.Cancel(errBoom)
		stats, err := run.Wait()
		require.Equal(t, time.Second, time.Since(began))
		require.ErrorIs(t, err, dmap.ErrCanceled)
		require.ErrorIs(t, err, errBoom)
		require.NotErrorIs(t, err, dmap.ErrOpen)
		require.Equal(t, "canceled", stats.Reason)
	})
}

func TestASuspendedRunDrainsAlsoIfItsContextIsSuspendedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		run, err := dmap.Start(ctx, numbers(4), untilDone, dmap.Options{RunID: "r", DrainTimeout: time.Minute}, &page{}, &diary{})
		require.NoError(t, err)
		synctest.Wait()
		began := time.Now()
		run.Suspend()
		time.AfterFunc(time.Second, func() { cancel(dmap.ErrSuspended) })
		_, err = run.Wait()
		require.ErrorIs(t, err, dmap.ErrOpen)
		require.Equal(t, time.Minute, time.Since(began))
	})
}

func TestAContextThatHasEndedBeginsNothing(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errBoom)
	k := &keep[int]{}
	_, err := dmap.Map(ctx, numbers(3), double, dmap.Options{}, dmap.Sink[int](k))
	require.ErrorIs(t, err, errBoom)
	require.NotErrorIs(t, err, dmap.ErrOpen, "there is no journal")
	require.Empty(t, k.began)
}

func TestARunWithoutAJournalIsNeverOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, cause := range map[string]error{"context": errBoom, "suspended": dmap.ErrSuspended} {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(cause) })
			stats, err := dmap.Map(ctx, numbers(20), untilDone, dmap.Options{RunID: "r", DrainTimeout: time.Second})
			require.ErrorIs(t, err, cause)
			require.NotErrorIs(t, err, dmap.ErrOpen)
			require.Equal(t, 1, dmap.ExitCode(err))
			require.Equal(t, dmap.StateEnded, stats.State)
			require.Equal(t, name, stats.Reason)
			var last error
			ctx, cancel = context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(cause) })
			for _, err := range dmap.Results(ctx, numbers(20), untilDone, dmap.Options{RunID: "r", DrainTimeout: time.Second}) {
				last = err
			}
			require.ErrorIs(t, last, cause)
			require.NotErrorIs(t, last, dmap.ErrOpen)
		}
	})
}

// A nested run is interrupted by the timeout of its call, and the retry of the call resumes it.
func TestTheRetryOfACallResumesTheNestedRunThatItsTimeoutInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inner diary
		var settled atomic.Int64
		var ends []error
		var nested []dmap.Stats
		outer := func(ctx context.Context, _ int) (int, error) {
			stats, err := dmap.Map(ctx, numbers(100), func(ctx context.Context, i int) (int, error) {
				select {
				case <-time.After(time.Second):
					settled.Add(1)
					return i, nil
				case <-ctx.Done():
					return 0, ctx.Err()
				}
			}, dmap.Options{RunID: "inner", MaxConcurrency: 1}, &page{}, &inner)
			ends, nested = append(ends, err), append(nested, stats)
			return int(stats.Succeeded), err
		}
		var d diary
		var got keep[int]
		stats, err := dmap.Map(t.Context(), numbers(1), outer,
			dmap.Options{RunID: "outer", Timeout: 40500 * time.Millisecond, Retry: dmap.Retry{MaxAttempts: 3, Initial: time.Millisecond}}, &got, &d)
		require.NoError(t, err)
		require.EqualValues(t, 1, stats.Succeeded)
		require.EqualValues(t, 3, stats.Calls)
		require.EqualValues(t, 100, got.results[0].Value)
		require.EqualValues(t, 100, settled.Load(), "what an attempt settled does not run again")
		require.Len(t, ends, 3)
		for _, err := range ends[:2] {
			require.ErrorIs(t, err, dmap.ErrOpen)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		require.Equal(t, []bool{false, true, true}, []bool{nested[0].Resumed, nested[1].Resumed, nested[2].Resumed})
	})
}

// After the drain timeout of the outer run a nested one is interrupted: it does not drain for
// another DrainTimeout.
func TestANestedRunDoesNotDrainAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inner, d diary
		var nested error
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(dmap.ErrSuspended) })
		opts := dmap.Options{RunID: "outer", DrainTimeout: 10 * time.Second}
		began := time.Now()
		stats, err := dmap.Map(ctx, numbers(1), func(ctx context.Context, _ int) (int, error) {
			_, nested = dmap.Map(ctx, numbers(5), untilDone, dmap.Options{RunID: "inner", DrainTimeout: time.Hour}, &page{}, &inner)
			return 0, nested
		}, opts, &page{}, &d)
		require.Equal(t, 11*time.Second, time.Since(began))
		require.ErrorIs(t, err, dmap.ErrOpen)
		require.EqualValues(t, 1, stats.Pending)
		require.ErrorIs(t, nested, dmap.ErrOpen)
		require.NotErrorIs(t, nested, dmap.ErrSuspended, "that is the outer run")
	})
}

// The error of a nested run fails an item. It is not the end of the outer run.
func TestTheErrorOfANestedRunIsNotThatOfTheOuterRun(t *testing.T) {
	var d diary
	stats, err := dmap.Map(t.Context(), numbers(1), func(ctx context.Context, _ int) (int, error) {
		ctx, cancel := context.WithCancelCause(ctx)
		cancel(errBoom)
		var inner diary
		_, err := dmap.Map(ctx, numbers(5), untilDone, dmap.Options{RunID: "inner"}, &page{}, &inner)
		require.ErrorIs(t, err, dmap.ErrOpen)
		return 0, err
	}, dmap.Options{RunID: "outer"}, &page{}, &d)
	require.ErrorIs(t, err, dmap.ErrTolerance)
	require.ErrorIs(t, err, errBoom)
	require.NotErrorIs(t, err, dmap.ErrOpen)
	require.Equal(t, dmap.StateEnded, stats.State)
	require.Equal(t, "tolerance", stats.Reason)
	require.Equal(t, 1, dmap.ExitCode(err))
}

func TestABrokenSourceLeavesTheRunOpen(t *testing.T) {
	var d diary
	broken := items(func(_ context.Context, yield func(dmap.Item[int], error) bool) {
		_ = yield(dmap.Item[int]{Key: "n", Value: 1}, nil) && yield(dmap.Item[int]{}, errBoom)
	})
	opts := dmap.Options{RunID: "r", Tolerance: dmap.Tolerance{Count: 5}}
	stats, err := dmap.Map(t.Context(), broken, double, opts, &page{}, &d)
	require.ErrorIs(t, err, dmap.ErrOpen)
	require.ErrorIs(t, err, errBoom)
	require.Equal(t, "source", stats.Reason)
	last := d.commits[len(d.commits)-1]
	require.True(t, last.Clean, "the process did not crash")
	require.Equal(t, "source", last.Stop.Reason)
	require.Contains(t, last.Stop.Error, "boom")
}

func TestAFencedRunDoesNotAskForAnotherCall(t *testing.T) {
	d := diary{onAppend: func(int) (bool, error) { return false, dmap.ErrFenced }}
	stats, err := dmap.Map(t.Context(), numbers(5), double, dmap.Options{RunID: "r"}, &page{}, &d)
	require.ErrorIs(t, err, dmap.ErrFenced)
	require.NotErrorIs(t, err, dmap.ErrOpen)
	require.Equal(t, 76, dmap.ExitCode(err))
	require.Equal(t, dmap.StateOpen, stats.State)
	require.Equal(t, "fenced", stats.Reason)
}

func TestAWrongCallHasItsOwnExitCode(t *testing.T) {
	_, err := dmap.Map(t.Context(), numbers(5), double, dmap.Options{MaxItems: -1})
	require.Equal(t, 64, dmap.ExitCode(err))
	require.Equal(t, 1, dmap.ExitCode(errors.New("no bucket")))
}
