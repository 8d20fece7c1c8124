package leaserun_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/leaserun"
)

var errBoom = errors.New("boom")

func splitsOf(t *testing.T, s numbers) []dmap.Split {
	t.Helper()
	splits, err := collect(s.splits(t.Context()))
	require.NoError(t, err)
	return splits
}

func job(s numbers, call func(context.Context, int) (int, error)) leaserun.Job[int, int] {
	return leaserun.Job[int, int]{Source: s, Call: call, Options: dmap.Options{RunID: "r"}}
}

func sleeps(d time.Duration) func(context.Context, int) (int, error) {
	return func(ctx context.Context, i int) (int, error) {
		time.Sleep(d)
		return i, ctx.Err()
	}
}

func items(splits []dmap.Split) (n int64) {
	for _, s := range splits {
		n += s.To.Offset - s.From.Offset
	}
	return n
}

func TestALeaseReturnsWhatItHasNotReadWhenItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := numbers{n: 10_000, each: 1000}
		l := lease.Lease{Splits: splitsOf(t, src), Slots: 10, Failures: 0, Time: 10 * time.Second}
		began := time.Now()
		report, err := leaserun.Run(t.Context(), job(src, sleeps(time.Second)), l, newLane[int](&store{}, l.Ref), &leaserun.Control{})
		require.NoError(t, err)
		require.Equal(t, lease.Late, report.Reason)
		require.EqualValues(t, 10_000, items(report.Rest)+report.Counts.Read)
		require.Greater(t, report.Counts.Succeeded, int64(90))
		require.Less(t, report.Counts.Succeeded, int64(400))
		require.Less(t, time.Since(began), 40*time.Second, "it finishes what was queued")
		require.Equal(t, time.Since(began), report.Wall)
		require.Equal(t, time.Duration(report.Counts.Succeeded)*time.Second, report.Worked)
	})
}

// Each opening takes longer than the time of the lease.
func TestALeaseMakesProgressThoughItsSourceOpensSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := numbers{n: 5, each: 5, delay: time.Minute}
		s := &store{}
		rest := splitsOf(t, src)
		attempts := 0
		for len(rest) > 0 {
			l := lease.Lease{Ref: lease.Ref{Lease: int64(attempts)}, Splits: rest, Slots: 1, Time: time.Nanosecond}
			report, err := leaserun.Run(t.Context(), job(src, sleeps(time.Second)), l, newLane[int](s, l.Ref), &leaserun.Control{})
			require.NoError(t, err)
			require.Positive(t, report.Counts.Read)
			rest = report.Rest
			attempts++
			require.LessOrEqual(t, attempts, 6)
		}
		require.Len(t, s.results(), 5)
	})
}

func TestALeaseThatIsWantedBackFinishesItsRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := numbers{n: 1000, each: 1000}
		j := job(src, func(ctx context.Context, i int) (int, error) {
			time.Sleep(time.Second)
			if info, _ := dmap.InfoFrom(ctx); info.Attempt < 3 {
				return 0, errBoom
			}
			return i, nil
		})
		j.Options.Retry = dmap.Retry{MaxAttempts: 3, Initial: time.Hour, Max: time.Hour, NoJitter: true}
		l := lease.Lease{Splits: splitsOf(t, src), Slots: 10}
		var control leaserun.Control
		time.AfterFunc(5*time.Second, control.Return)
		report, err := leaserun.Run(t.Context(), j, l, newLane[int](&store{}, l.Ref), &control)
		require.NoError(t, err)
		require.Equal(t, lease.Asked, report.Reason)
		require.Zero(t, report.Counts.Failed)
		require.Positive(t, report.Counts.Retries)
		require.EqualValues(t, 1000, items(report.Rest)+report.Counts.Succeeded)
		require.Greater(t, report.Wall, 2*time.Hour)
	})
}

func TestALeaseThatIsWantedBackBeforeItBeginsReadsNothing(t *testing.T) {
	src := numbers{n: 1000, each: 100}
	l := lease.Lease{Splits: splitsOf(t, src), Slots: 10}
	var control leaserun.Control
	control.Return()
	report, err := leaserun.Run(t.Context(), job(src, sleeps(0)), l, newLane[int](&store{}, l.Ref), &control)
	require.NoError(t, err)
	require.Equal(t, lease.Asked, report.Reason)
	require.EqualValues(t, 1000, items(report.Rest)+report.Counts.Read)
	require.Less(t, report.Counts.Read, int64(1000))
}

func TestALeaseReturnsWhenItsShareOfFailuresIsUsed(t *testing.T) {
	for share, want := range map[int64]lease.Reason{0: lease.Failures, 5: lease.Failures, 100: lease.Done, -1: lease.Done} {
		synctest.Test(t, func(t *testing.T) {
			src := numbers{n: 1000, each: 1000}
			j := job(src, func(_ context.Context, i int) (int, error) {
				time.Sleep(time.Second)
				if i%10 == 0 {
					return 0, errBoom
				}
				return i, nil
			})
			l := lease.Lease{Splits: splitsOf(t, src), Slots: 10, Failures: share, Rest: 20} // calls in flight may be unsettled
			report, err := leaserun.Run(t.Context(), j, l, newLane[int](&store{}, l.Ref), &leaserun.Control{})
			require.NoError(t, err)
			require.Equal(t, want, report.Reason, "share %d", share)
			require.EqualValues(t, 1000, items(report.Rest)+report.Counts.Succeeded+report.Counts.Failed)
			if want == lease.Failures {
				require.Greater(t, report.Counts.Failed, share)
				require.LessOrEqual(t, report.Counts.Failed, share+int64(l.Slots))
			}
		})
	}
}

// The second attempt is given what the first has committed before it died.
func TestALeaseWhoseWorkerDiedIsRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := numbers{n: 200, each: 100}
		s := &store{}
		l := lease.Lease{Ref: lease.Ref{Lease: 7, Attempt: 1}, Splits: splitsOf(t, src), Slots: 10}
		first := newLane[int](s, l.Ref)
		time.AfterFunc(5500*time.Millisecond, first.seal)
		_, err := leaserun.Run(t.Context(), job(src, sleeps(time.Second)), l, first, &leaserun.Control{})
		require.ErrorIs(t, err, dmap.ErrFenced, "an error of this worker")
		before := len(s.results())
		require.Positive(t, before)
		l.Attempt = 2
		var calls atomic.Int64
		report, err := leaserun.Run(t.Context(), job(src, func(_ context.Context, i int) (int, error) {
			calls.Add(1)
			return i, nil
		}), l, newLane[int](s, l.Ref), &leaserun.Control{})
		require.NoError(t, err)
		require.Equal(t, lease.Done, report.Reason)
		require.EqualValues(t, 200-before, calls.Load())
		require.EqualValues(t, 200, report.Counts.Succeeded, "of both attempts")
		require.Len(t, s.results(), 200)
		for id, n := range s.results() {
			require.Equal(t, 1, n, id)
		}
	})
}

func TestErrorsOfTheRunAreToldFromThoseOfTheMachine(t *testing.T) {
	src := numbers{n: 10, each: 10}
	l := lease.Lease{Splits: splitsOf(t, src), Slots: 2}
	for name, c := range map[string]struct {
		job   func(leaserun.Job[int, int]) leaserun.Job[int, int]
		ctx   func(context.Context) context.Context
		fatal bool
	}{
		"wrong options": {job: func(j leaserun.Job[int, int]) leaserun.Job[int, int] {
			j.Options.Retry.MaxAttempts = -1
			return j
		}, fatal: true},
		"malformed": {job: func(j leaserun.Job[int, int]) leaserun.Job[int, int] {
			j.Source = broken{src, errBoom}
			return j
		}, fatal: true},
		"another source": {job: func(j leaserun.Job[int, int]) leaserun.Job[int, int] {
			j.Source = broken{src, &dmap.SpecError{}}
			return j
		}, fatal: true},
		"a store that is down": {job: func(j leaserun.Job[int, int]) leaserun.Job[int, int] {
			j.Source = broken{src, unavailable{}}
			return j
		}},
		"a machine that is shut down": {ctx: func(ctx context.Context) context.Context {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx
		}},
	} {
		t.Run(name, func(t *testing.T) {
			j, ctx := job(src, sleeps(0)), t.Context()
			if c.job != nil {
				j = c.job(j)
			}
			if c.ctx != nil {
				ctx = c.ctx(ctx)
			}
			report, err := leaserun.Run(ctx, j, l, newLane[int](&store{}, l.Ref), &leaserun.Control{})
			if !c.fatal {
				require.Error(t, err)
				require.Empty(t, report.Reason)
				require.EqualValues(t, 10, items(report.Rest)+report.Counts.Read)
				return
			}
			require.NoError(t, err)
			require.Equal(t, lease.Fatal, report.Reason)
			require.NotEmpty(t, report.Error)
		})
	}
}

// Calls take 1 to 16 s. The ideal is that all slots work until the end.
func TestWorkersEndTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := numbers{n: 3000, each: 100}
		var work atomic.Int64
		f := fleet[int]{job: job(src, func(_ context.Context, i int) (int, error) {
			d := time.Second << (i * 7 % 5)
			work.Add(int64(d))
			time.Sleep(d)
			return i, nil
		}), store: &store{}, queue: splitsOf(t, src), perTime: func(int64) lease.Lease {
			return lease.Lease{Slots: 10, Time: 20 * time.Second}
		}}
		began := time.Now()
		left, err := f.run(t.Context(), 10)
		require.NoError(t, err)
		require.Empty(t, left)
		require.Len(t, f.store.results(), 3000)
		ideal := time.Duration(work.Load()) / 100
		t.Logf("%d leases, wall over ideal %.2f", f.next, float64(time.Since(began))/float64(ideal))
		require.Less(t, time.Since(began), 2*ideal)
	})
}
