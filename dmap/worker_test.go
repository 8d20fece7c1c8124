package dmap_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

func TestAWaitingRetryUsesNoSlot(t *testing.T) {
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

func TestRetryAfterIsHonored(t *testing.T) {
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

// hostile is an error whose methods panic.
type hostile struct{}

func (hostile) Error() string { panic("Error") }

func (hostile) Is(error) bool { panic("Is") }

func (hostile) Unwrap() error { panic("Unwrap") }

func (hostile) Permanent() bool { panic("Permanent") }

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

func TestAHugeOrBadErrorTextDoesNotStopTheRun(t *testing.T) {
	huge := fmt.Errorf("%s", strings.Repeat("x\xff", 1<<20))
	stats, err := dmap.Map(t.Context(), numbers(3), func(context.Context, int) (int, error) { return 0, huge },
		dmap.Options{Tolerance: dmap.Tolerance{Percentage: 100}})
	require.NoError(t, err)
	require.EqualValues(t, 3, stats.Failed)
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
		require.Contains(t, string(p.Stack), "worker_test.go")
		require.ErrorAs(t, by[20].Err, &p)
		require.ErrorIs(t, by[30].Err, dmap.ErrGoexit)
		require.ErrorIs(t, by[40].Err, errBoom)
		require.Equal(t, "goexit", dmap.Class(by[30].Err))
		require.Equal(t, "panic", dmap.Class(by[40].Err))
	}
}
