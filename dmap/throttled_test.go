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

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
)

// A server that allows 50 requests a second and asks to wait for a second.
func fiftyASecond() *throttlingServer {
	return &throttlingServer{rate: 50, burst: 1, latency: 10 * time.Millisecond, after: time.Second}
}

func TestARateBelowTheLimitOfTheServerIsNeverThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fiftyASecond()
		began := time.Now()
		stats, err := dmap.Map(t.Context(), numbers(400), s.call, dmap.Options{MaxConcurrency: 20, Rate: dmap.Rate{Calls: 50}})
		require.NoError(t, err)
		require.EqualValues(t, 400, stats.Calls)
		require.Zero(t, stats.Throttled)
		require.InDelta(t, 8*time.Second, time.Since(began), float64(100*time.Millisecond))
	})
}

func TestARunFollowsAServerThatThrottlesWithoutAnOption(t *testing.T) {
	for _, burst := range []float64{1, 50} {
		synctest.Test(t, func(t *testing.T) {
			s := fiftyASecond()
			s.burst = burst
			began := time.Now()
			stats, err := dmap.Map(t.Context(), numbers(400), s.call, dmap.Options{MaxConcurrency: 20, Retry: dmap.Retry{MaxAttempts: 5}})
			require.NoError(t, err)
			require.EqualValues(t, 400, stats.Succeeded)
			calls, throttled := s.counts()
			require.EqualValues(t, calls, stats.Calls)
			require.EqualValues(t, throttled, stats.Throttled)
			require.Less(t, throttled, 60)
			require.Less(t, time.Since(began), 40*time.Second)
		})
	}
}

func TestThrottledAttemptsDoNotCount(t *testing.T) {
	for name, err := range map[string]error{
		"marked": dmap.Throttled(errTooMany, 0), "asked": dmap.Throttled(errTooMany, time.Second), "status": &statusError{429},
		"wrapped": fmt.Errorf("get x: %w", errors.Join(errBoom, &statusError{503})),
	} {
		for _, retry := range []dmap.Retry{{}, {MaxAttempts: 1}, {MaxAttempts: 2}} {
			synctest.Test(t, func(t *testing.T) {
				var attempts atomic.Int64
				stats, runErr := dmap.Map(t.Context(), numbers(1), func(ctx context.Context, i int) (int, error) {
					info, _ := dmap.InfoFrom(ctx)
					require.EqualValues(t, attempts.Add(1), info.Attempt)
					if info.Attempt <= 20 {
						return 0, err
					}
					return i, nil
				}, dmap.Options{Retry: retry})
				require.NoError(t, runErr, name)
				require.EqualValues(t, 21, stats.Calls)
				require.EqualValues(t, 20, stats.Throttled)
				require.EqualValues(t, 20, stats.Retries)
			})
		}
	}
}

// Failures of another kind count between throttled attempts.
func TestOtherAttemptsOfAThrottledItemCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts int
		_, err := dmap.Map(t.Context(), numbers(1), func(ctx context.Context, i int) (int, error) {
			if attempts++; attempts%3 == 0 {
				return 0, errBoom
			}
			return 0, dmap.Throttled(errTooMany, 0)
		}, dmap.Options{Retry: dmap.Retry{MaxAttempts: 3}})
		require.ErrorIs(t, err, errBoom)
		require.Equal(t, 9, attempts)
	})
}

func TestAnItemFailsAfterItsTimeOfThrottling(t *testing.T) {
	for limit, want := range map[time.Duration]time.Duration{0: time.Hour, 10 * time.Minute: 10 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			var failure dmap.Result[int]
			for r := range dmap.Results(t.Context(), numbers(1), func(context.Context, int) (int, error) {
				return 0, &statusError{503}
			}, dmap.Options{Retry: dmap.Retry{ThrottledFor: limit}, Tolerance: dmap.Tolerance{Count: 1}}) {
				failure = r
			}
			require.Equal(t, "throttled", dmap.Class(failure.Err))
			require.ErrorContains(t, failure.Err, fmt.Sprintf("for longer than %v (Retry.ThrottledFor): status 503", want))
			var status *statusError
			require.ErrorAs(t, failure.Err, &status)
			require.GreaterOrEqual(t, time.Since(began), want)
			require.Less(t, time.Since(began), want+time.Minute, "the shared back-off may be longer")
			require.Greater(t, failure.Attempt, 10)
		})
	}
}

func TestAWaitThatIsTooLongFailsTheItemAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := dmap.Map(t.Context(), numbers(5), func(context.Context, int) (int, error) {
			return 0, dmap.Throttled(errTooMany, 24*time.Hour)
		}, dmap.Options{})
		require.ErrorIs(t, err, errTooMany)
		require.ErrorContains(t, err, "the server asks for a wait of 24h0m0s, and Retry.ThrottledFor allows 1h0m0s")
		require.Zero(t, time.Since(began))
	})
}

func TestAPauseIsNoTimeOfThrottling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		run, err := dmap.Start(t.Context(), numbers(1), func(context.Context, int) (int, error) {
			if calls.Add(1) < 3 {
				return 0, dmap.Throttled(errTooMany, time.Minute)
			}
			return 1, nil
		}, dmap.Options{Retry: dmap.Retry{ThrottledFor: 10 * time.Minute}})
		require.NoError(t, err)
		time.Sleep(time.Second)
		run.Pause()
		time.Sleep(24 * time.Hour)
		run.Resume()
		stats, err := run.Wait()
		require.NoError(t, err)
		require.EqualValues(t, 3, stats.Calls)
	})
}

func TestNegativeThrottledForCountsThrottledAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stats, err := dmap.Map(t.Context(), numbers(1), func(context.Context, int) (int, error) {
			return 0, dmap.Throttled(errTooMany, time.Second)
		}, dmap.Options{Retry: dmap.Retry{MaxAttempts: 3, ThrottledFor: -1}})
		require.ErrorIs(t, err, errTooMany)
		require.EqualValues(t, 3, stats.Calls)
	})
}

// What the server asks for holds for the whole run: also for fresh items and other retries.
func TestNoCallOfTheRunStartsBeforeTheTimeThatTheServerAsksFor(t *testing.T) {
	for _, options := range []dmap.Options{{MaxConcurrency: 4}, {MaxConcurrency: 4, NoAdapt: true}} {
		synctest.Test(t, func(t *testing.T) {
			s := newStarts()
			var once sync.Once
			run, err := dmap.Start(t.Context(), numbers(10_000), func(ctx context.Context, i int) (_ int, err error) {
				s.note()
				time.Sleep(10 * time.Millisecond)
				if i >= 1000 {
					once.Do(func() { err = dmap.Throttled(errTooMany, 30*time.Second) })
				}
				if info, _ := dmap.InfoFrom(ctx); i == 500 && info.Attempt == 1 {
					err = dmap.RetryAfter(errBoom, 5*time.Second)
				}
				return i, err
			}, dmap.Options{MaxConcurrency: options.MaxConcurrency, NoAdapt: options.NoAdapt, Retry: dmap.Retry{MaxAttempts: 2}})
			require.NoError(t, err)
			time.Sleep(15 * time.Second)
			synctest.Wait()
			stats := run.Stats()
			require.Zero(t, stats.InFlight)
			require.Greater(t, stats.BackOff, 15*time.Second)
			require.LessOrEqual(t, stats.BackOff, 21*time.Second, "up to a tenth more")
			require.Equal(t, options.NoAdapt, stats.AdaptedLimit == 0)
			for run.Stats().BackOff > 0 {
				time.Sleep(time.Second)
			}
			_, err = run.Wait()
			require.NoError(t, err)
			gap := time.Duration(0)
			for i := 1; i < len(s.at); i++ {
				gap = max(gap, s.at[i]-s.at[i-1])
			}
			require.GreaterOrEqual(t, gap, 29_990*time.Millisecond)
		})
	}
}

func TestWithoutAdaptionTheLimitStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &throttlingServer{rate: 100, burst: 10, latency: 10 * time.Millisecond}
		run, err := dmap.Start(t.Context(), numbers(2000), s.call, dmap.Options{MaxConcurrency: 50, NoAdapt: true})
		require.NoError(t, err)
		time.Sleep(5 * time.Second)
		stats := run.Stats()
		require.Positive(t, stats.Throttled)
		require.Zero(t, stats.AdaptedLimit)
		require.Zero(t, stats.AdaptedRate)
		_, err = run.Wait()
		require.NoError(t, err)
	})
}

// The items of a batch that are throttled are called again apart from those that failed otherwise.
func TestAThrottledItemOfABatchIsOneOfItsKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		calls := map[int]int{}
		stats, err := dmap.MapBatch(t.Context(), numbers(10), batch.Limits{Items: 10}, func(_ context.Context, items []dmap.Item[int]) ([]int, error) {
			mu.Lock()
			defer mu.Unlock()
			errs := batch.Errors{}
			for k, item := range items {
				calls[item.Value]++
				switch {
				case item.Value < 3 && calls[item.Value] < 8:
					errs[k] = dmap.Throttled(errTooMany, time.Second)
				case item.Value >= 8:
					errs[k] = errBoom
				}
			}
			return make([]int, len(items)), errs.Err()
		}, dmap.Options{Retry: dmap.Retry{MaxAttempts: 2}, Tolerance: dmap.Tolerance{Count: 2}})
		require.NoError(t, err)
		require.EqualValues(t, 2, stats.Failed)
		require.EqualValues(t, 8, stats.Succeeded)
		require.EqualValues(t, 7, stats.Throttled, "calls")
		require.Equal(t, map[int]int{0: 8, 1: 8, 2: 8, 3: 1, 4: 1, 5: 1, 6: 1, 7: 1, 8: 2, 9: 2}, calls)
	})
}

func TestAClassifierOfTheUserDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		stats, err := dmap.Map(t.Context(), numbers(1), func(context.Context, int) (int, error) {
			if calls.Add(1) < 10 {
				return 0, errBoom
			}
			return 0, &statusError{503}
		}, dmap.Options{IsThrottled: func(err error) bool { return errors.Is(err, errBoom) }})
		var status *statusError
		require.ErrorAs(t, err, &status, "this one is not throttled by that rule")
		require.EqualValues(t, 9, stats.Throttled)
	})
}

func TestAClassifierThatBreaksCostsItsItem(t *testing.T) {
	for name, broken := range map[string]func(error) bool{
		"panic": func(error) bool { panic("x") }, "goexit": func(error) bool { runtime.Goexit(); return true },
		"hangs": func(error) bool { select {} },
	} {
		if name == "hangs" { // its goroutine would stay in the bubble
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			stats, err := dmap.Map(t.Context(), numbers(10), func(_ context.Context, i int) (int, error) {
				if i == 5 {
					return 0, errBoom
				}
				return i, nil
			}, dmap.Options{IsThrottled: broken, Tolerance: dmap.Tolerance{Count: 1}})
			require.NoError(t, err, name)
			require.EqualValues(t, 1, stats.Failed)
		})
	}
}

func TestFinalErrorsAreNotCalledAgainAlsoIfThrottled(t *testing.T) {
	for name, err := range map[string]error{
		"permanent":         dmap.Permanent(&statusError{503}),
		"permanent outside": dmap.Permanent(dmap.Throttled(errTooMany, time.Second)),
		"permanent inside":  dmap.Throttled(dmap.Permanent(errTooMany), time.Second),
		"rejected":          dmap.Throttled(errBoom, time.Second),
	} {
		synctest.Test(t, func(t *testing.T) {
			stats, runErr := dmap.Map(t.Context(), numbers(1), func(context.Context, int) (int, error) { return 0, err },
				dmap.Options{Retry: dmap.Retry{MaxAttempts: 5, Retryable: func(err error) bool { return !errors.Is(err, errBoom) }}})
			require.ErrorIs(t, runErr, dmap.ErrTolerance)
			require.EqualValues(t, 1, stats.Calls, name)
			require.EqualValues(t, 1, stats.Throttled, name)
		})
	}
}

// The items of a nested run have had their time: the outer item is not throttled.
func TestTheErrorOfANestedRunIsNotThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stats, err := dmap.Map(t.Context(), numbers(1), func(ctx context.Context, i int) (int, error) {
			_, err := dmap.Map(ctx, numbers(1), func(context.Context, int) (int, error) {
				return 0, dmap.Throttled(errTooMany, time.Second)
			}, dmap.Options{Retry: dmap.Retry{ThrottledFor: time.Minute}})
			return i, err
		}, dmap.Options{})
		require.Error(t, err)
		require.EqualValues(t, 1, stats.Calls)
		require.Zero(t, stats.Throttled)
	})
}

func TestAStopLeavesThrottledItemsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &throttlingServer{rate: 1, burst: 1, after: time.Minute}
		run, err := dmap.Start(t.Context(), numbers(1000), s.call, dmap.Options{MaxConcurrency: 10})
		require.NoError(t, err)
		time.Sleep(90 * time.Second)
		began := time.Now()
		run.Cancel(nil)
		stats, err := run.Wait()
		require.ErrorIs(t, err, dmap.ErrCanceled)
		require.Less(t, time.Since(began), time.Second)
		requireSum(t, stats)
		require.Zero(t, stats.Failed)
		require.Positive(t, stats.Pending)
	})
}

func TestWaitsOfAnyLengthDoNotOverflow(t *testing.T) {
	for _, wait := range []time.Duration{-1 << 63, -1, 0, 1<<63 - 1} {
		synctest.Test(t, func(t *testing.T) {
			_, err := dmap.Map(t.Context(), numbers(1), func(ctx context.Context, i int) (int, error) {
				if info, _ := dmap.InfoFrom(ctx); info.Attempt == 1 {
					return 0, dmap.Throttled(errTooMany, wait)
				}
				return i, nil
			}, dmap.Options{Retry: dmap.Retry{ThrottledFor: 1<<63 - 1}})
			require.NoError(t, err)
		})
	}
}

type statusError struct{ Code int }

func (e *statusError) Error() string { return fmt.Sprintf("status %d", e.Code) }
