package dmap_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
)

func TestRetriesWaitOutsideTheGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var got keep[int]
		stats, err := dmap.Map(t.Context(), numbers(100), func(ctx context.Context, i int) (int, error) {
			info, _ := dmap.InfoFrom(ctx)
			time.Sleep(time.Second)
			if i == 0 && info.Attempt < 3 {
				return 0, errBoom
			}
			return info.Attempt, nil
		}, dmap.Options{MaxConcurrency: 1, Retry: dmap.Retry{MaxAttempts: 3, Initial: 10 * time.Second, NoJitter: true}}, &got)
		require.NoError(t, err)
		require.EqualValues(t, 100, stats.Succeeded)
		require.EqualValues(t, 102, stats.Calls)
		require.EqualValues(t, 2, stats.Retries)
		require.Equal(t, 102*time.Second, time.Since(began), "one place was busy all the time: waiting cost nothing")
		require.Equal(t, 3, got.byOffset()[0].Value)
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := dmap.Map(t.Context(), numbers(1), func(ctx context.Context, _ int) (int, error) {
			if info, _ := dmap.InfoFrom(ctx); info.Attempt == 1 {
				return 0, dmap.RetryAfter(errBoom, 42*time.Second)
			}
			return 0, nil
		}, dmap.Options{Retry: dmap.Retry{MaxAttempts: 2}})
		require.NoError(t, err)
		require.Equal(t, 42*time.Second, time.Since(began))
	})
}

func TestWaitingRetriesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var read atomic.Int64
		src := items(func(_ context.Context, yield func(dmap.Item[int], error) bool) {
			for i := range 1_000_000 {
				read.Add(1)
				if !yield(dmap.Item[int]{Offset: int64(i)}, nil) {
					return
				}
			}
		})
		run, err := dmap.Start(t.Context(), src, func(context.Context, int) (int, error) { return 0, errBoom },
			dmap.Options{MaxConcurrency: 10, Retry: dmap.Retry{MaxAttempts: 2, Initial: time.Hour, Max: time.Hour, NoJitter: true}})
		require.NoError(t, err)
		synctest.Wait()
		require.Less(t, read.Load(), int64(2000))
		require.Positive(t, run.Stats().Waiting)
		require.Zero(t, run.Stats().InFlight)
		run.Cancel(nil)
		stats, err := run.Wait()
		require.ErrorIs(t, err, dmap.ErrCanceled)
		require.Zero(t, stats.Failed, "waiting for a retry is not failed")
		require.Equal(t, stats.Read, stats.Pending)
	})
}

func TestTheRunFailsWhenTheToleranceIsExceeded(t *testing.T) {
	var got keep[int]
	stats, err := dmap.Map(t.Context(), numbers(100_000), func(_ context.Context, i int) (int, error) {
		if i%10 == 9 {
			return 0, fmt.Errorf("item %d: %w", i, errBoom)
		}
		return i, nil
	}, dmap.Options{MaxConcurrency: 1, Tolerance: dmap.Tolerance{Count: 20}}, &got)
	require.ErrorIs(t, err, dmap.ErrTolerance)
	require.ErrorIs(t, err, errBoom)
	var exceeded *dmap.ToleranceError
	require.ErrorAs(t, err, &exceeded)
	require.EqualValues(t, 21, exceeded.Failed)
	require.Len(t, exceeded.First, 10)
	require.Equal(t, "n@9", exceeded.First[0].ID())
	require.EqualValues(t, 21, stats.Failed, "one call at once: the trip point is exact")
	require.EqualValues(t, 189, stats.Succeeded)
	requireSum(t, stats)
	require.Len(t, got.results, 210, "what was settled before the trip is delivered")
	end := got.ended[0]
	require.ErrorIs(t, end.Err, dmap.ErrTolerance)
	require.Len(t, end.Pending, int(stats.Pending))
	require.Len(t, end.Unread.Splits, 1)
	require.EqualValues(t, stats.Read, end.Unread.Splits[0].From.Offset, "reading goes on after what was read")
}

func TestAPercentageIsJudgedOverTheTotalAtTheEnd(t *testing.T) {
	fail := func(_ context.Context, i int) (int, error) {
		if i < 10 {
			return 0, errBoom
		}
		return i, nil
	}
	_, err := dmap.Map(t.Context(), numbers(100), fail, dmap.Options{Tolerance: dmap.Tolerance{Percentage: 10}})
	require.NoError(t, err, "10 of 100")
	_, err = dmap.Map(t.Context(), numbers(99), fail, dmap.Options{Tolerance: dmap.Tolerance{Percentage: 10}})
	require.ErrorIs(t, err, dmap.ErrTolerance, "10 of 99")
}

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

func TestACancelledContextStartsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	stats, err := dmap.Map(ctx, numbers(100), double, dmap.Options{})
	require.ErrorIs(t, err, context.Canceled)
	requireSum(t, stats)
}

func TestTimeoutFailsTheAttemptAndIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got keep[int]
		stats, err := dmap.Map(t.Context(), numbers(3), func(ctx context.Context, i int) (int, error) {
			info, _ := dmap.InfoFrom(ctx)
			if _, ok := ctx.Deadline(); !ok {
				return 0, dmap.Permanent(errors.New("no deadline"))
			}
			if i == 1 && info.Attempt == 1 || i == 2 {
				<-ctx.Done()
				return 0, errBoom // not even the context's error
			}
			return i, nil
		}, dmap.Options{Timeout: time.Minute, Retry: dmap.Retry{MaxAttempts: 2}, Tolerance: dmap.Tolerance{Count: 1}}, &got)
		require.NoError(t, err)
		require.EqualValues(t, 2, stats.Succeeded)
		require.EqualValues(t, 2, stats.Retries)
		bad := got.byOffset()[2]
		require.ErrorIs(t, bad.Err, context.DeadlineExceeded)
		require.ErrorIs(t, bad.Err, errBoom)
		require.Equal(t, "timeout", dmap.Class(bad.Err))
		require.Equal(t, 2, bad.Attempt)
	})
}

func TestAStuckCallIsReportedAndWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, err := dmap.Start(t.Context(), numbers(2), func(ctx context.Context, i int) (int, error) {
			if i == 0 {
				time.Sleep(time.Hour) // ignores ctx
			}
			return i, nil
		}, dmap.Options{Timeout: time.Minute})
		require.NoError(t, err)
		time.Sleep(time.Minute + 15*time.Second)
		require.Equal(t, 1, run.Stats().Stuck)
		run.Cancel(nil)
		select {
		case <-run.Done():
			t.Fatal("returned while a call runs")
		case <-time.After(30 * time.Minute):
		}
		stats, err := run.Wait()
		require.ErrorIs(t, err, dmap.ErrCanceled)
		require.EqualValues(t, 2, stats.Succeeded, "its result came after all")
	})
}

func TestAnAbandonedCallFreesItsPlaceAndItsLateResultIsDropped(t *testing.T) {
	for _, batches := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			call := func(i int) (int, error) {
				if i == 3 {
					<-release
				}
				return i, nil
			}
			opts := dmap.Options{MaxConcurrency: 1, Timeout: time.Second, AbandonAfter: 5 * time.Second, Tolerance: dmap.Tolerance{Count: 1}}
			var got keep[int]
			var stats dmap.Stats
			var err error
			if batches {
				stats, err = dmap.MapBatch(t.Context(), numbers(10), oneByOne, func(_ context.Context, in []dmap.Item[int]) ([]int, error) {
					v, err := call(in[0].Value)
					return []int{v}, err
				}, opts, &got)
			} else {
				stats, err = dmap.Map(t.Context(), numbers(10), func(_ context.Context, i int) (int, error) { return call(i) }, opts, &got)
			}
			require.NoError(t, err)
			require.EqualValues(t, 9, stats.Succeeded)
			require.EqualValues(t, 1, stats.Failed)
			require.Equal(t, 1, stats.Stuck)
			require.ErrorIs(t, got.byOffset()[3].Err, dmap.ErrStuck)
			require.Len(t, got.results, 10)
			close(release)
			synctest.Wait()
			require.Len(t, got.results, 10)
		})
	}
}

func TestABrokenSourceEndsTheRunAfterWhatItYielded(t *testing.T) {
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

// brokenSink fails at its n-th Write, or at Flush, Begin or End.
type brokenSink struct {
	keep[int]
	at string
	n  int
}

func (b *brokenSink) Write(ctx context.Context, r []dmap.Result[int]) error {
	if b.n--; b.at == "write" && b.n < 0 {
		return errBoom
	}
	return b.keep.Write(ctx, r)
}

func (b *brokenSink) fail(at string) error {
	if b.at == at {
		return errBoom
	}
	if b.at == "panic "+at {
		panic(errBoom)
	}
	return nil
}

func (b *brokenSink) Flush(ctx context.Context) error {
	return errors.Join(b.fail("flush"), b.keep.Flush(ctx))
}

func (b *brokenSink) Begin(ctx context.Context, x dmap.RunSpec) error {
	return errors.Join(b.fail("begin"), b.keep.Begin(ctx, x))
}

func (b *brokenSink) End(ctx context.Context, x dmap.Ending) error {
	return errors.Join(b.fail("end"), b.keep.End(ctx, x))
}

func TestABrokenSinkFailsTheRun(t *testing.T) {
	for _, at := range []string{"write", "flush", "end", "panic flush", "panic end"} {
		t.Run(at, func(t *testing.T) {
			var whole keep[int]
			bad := &brokenSink{at: at, n: 3}
			stats, err := dmap.Map(t.Context(), numbers(100_000), double, dmap.Options{}, dmap.Sink[int](&whole), bad)
			var broken *dmap.SinkError
			require.ErrorAs(t, err, &broken)
			require.ErrorIs(t, err, errBoom)
			requireSum(t, stats)
			require.Len(t, whole.results, int(stats.Succeeded), "the other sink has everything")
			require.Len(t, whole.ended, 1)
			if at == "write" {
				require.Less(t, stats.Read, int64(100_000), "it stopped reading")
			}
		})
	}
}

func TestASinkThatCannotBeginKeepsTheRunFromStarting(t *testing.T) {
	for _, at := range []string{"begin", "panic begin"} {
		var first keep[int]
		_, err := dmap.Map(t.Context(), numbers(10), func(context.Context, int) (int, error) {
			t.Error("called")
			return 0, nil
		}, dmap.Options{}, dmap.Sink[int](&first), &brokenSink{at: at})
		require.ErrorIs(t, err, errBoom)
		require.Len(t, first.ended, 1, "who began is told the end")
		require.ErrorIs(t, first.ended[0].Err, errBoom)
	}
}

// pickySink keeps even values only.
type pickySink struct{ keep[int] }

func (p *pickySink) Write(ctx context.Context, results []dmap.Result[int]) error {
	rejected := batch.Errors{}
	for i, r := range results {
		if r.Value%2 == 1 {
			rejected[i] = errBoom
		}
	}
	if err := p.keep.Write(ctx, results); err != nil || len(rejected) == 0 {
		return err
	}
	return rejected
}

func TestAResultThatASinkRejectsCountsAsFailedOnce(t *testing.T) {
	same := func(_ context.Context, i int) (int, error) { return i, nil }
	opts := dmap.Options{Tolerance: dmap.Tolerance{Count: 50}}
	stats, err := dmap.Map(t.Context(), numbers(100), same, opts, dmap.Sink[int](&pickySink{}), &pickySink{})
	require.NoError(t, err)
	require.EqualValues(t, 50, stats.Succeeded)
	require.EqualValues(t, 50, stats.Failed)
	opts.Tolerance.Count = 49
	_, err = dmap.Map(t.Context(), numbers(100), same, opts, dmap.Sink[int](&pickySink{}))
	require.ErrorIs(t, err, dmap.ErrTolerance)
	require.ErrorIs(t, err, errBoom)
}

// exitSink ends the goroutine that writes to it, as a failed require in a test does.
type exitSink struct{ keep[int] }

func (*exitSink) Write(context.Context, []dmap.Result[int]) error { goexit(); return nil }

func TestGoexitInASinkEndsTheRun(t *testing.T) {
	stats, err := dmap.Map(t.Context(), numbers(1000), double, dmap.Options{}, dmap.Sink[int](&exitSink{}))
	require.ErrorIs(t, err, dmap.ErrGoexit)
	require.Zero(t, stats.InFlight)
	requireSum(t, stats)
}

// hostile is an error whose methods panic.
type hostile struct{}

func (hostile) Error() string        { panic("Error") }
func (hostile) Is(error) bool        { panic("Is") }
func (hostile) Unwrap() error        { panic("Unwrap") }
func (hostile) Permanent() bool      { panic("Permanent") }
func (hostile) RetryAfter() struct{} { panic("RetryAfter") }

func TestAnErrorThatPanicsCostsItsItem(t *testing.T) {
	for name, err := range map[string]error{"error": hostile{}, "retryable": errBoom} {
		t.Run(name, func(t *testing.T) {
			opts := dmap.Options{Tolerance: dmap.Tolerance{Count: 1}, Retry: dmap.Retry{MaxAttempts: 3, Retryable: func(error) bool { panic("Retryable") }}}
			stats, runErr := dmap.Map(t.Context(), numbers(10), func(_ context.Context, i int) (int, error) {
				if i == 4 {
					return 0, err
				}
				return i, nil
			}, opts)
			require.NoError(t, runErr)
			require.EqualValues(t, 9, stats.Succeeded)
			require.EqualValues(t, 1, stats.Failed)
		})
	}
}

func TestACancelledRunAbandonsAStuckCallAndLeavesItsItemPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errBoom) })
		began := time.Now()
		stats, err := dmap.Map(ctx, numbers(10), func(context.Context, int) (int, error) {
			<-release // ignores ctx
			return 0, nil
		}, dmap.Options{MaxConcurrency: 2, AbandonAfter: 5 * time.Second})
		require.ErrorIs(t, err, errBoom)
		require.Less(t, time.Since(began), 9*time.Second)
		require.Zero(t, stats.Failed)
		require.Zero(t, stats.Succeeded)
		require.Equal(t, 2, stats.Stuck)
		requireSum(t, stats)
		close(release)
	})
}

func TestAHugeOrBadErrorTextDoesNotStopTheRun(t *testing.T) {
	huge := fmt.Errorf("%s", strings.Repeat("x\xff", 1<<20))
	stats, err := dmap.Map(t.Context(), numbers(3), func(context.Context, int) (int, error) { return 0, huge },
		dmap.Options{Tolerance: dmap.Tolerance{Percentage: 100}})
	require.NoError(t, err)
	require.EqualValues(t, 3, stats.Failed)
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
