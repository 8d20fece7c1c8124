package dmap_test

import (
	"context"
	"iter"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
)

// starts records when calls start.
type starts struct {
	began time.Time
	mu    sync.Mutex
	at    []time.Duration
}

func newStarts() *starts { return &starts{began: time.Now()} }

func (s *starts) note() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = append(s.at, time.Since(s.began))
}

func (s *starts) call(_ context.Context, i int) (int, error) { s.note(); return i, nil }

func (s *starts) batch(_ context.Context, items []dmap.Item[int]) ([]int, error) {
	s.note()
	return make([]int, len(items)), nil
}

func TestCallsStartAtTheRate(t *testing.T) {
	for name, rate := range map[string]dmap.Rate{"calls": {Calls: 10}, "items": {Items: 10}, "the lower": {Calls: 10, Items: 100}} {
		synctest.Test(t, func(t *testing.T) {
			s := newStarts()
			stats, err := dmap.Map(t.Context(), numbers(21), s.call, dmap.Options{Rate: rate})
			require.NoError(t, err, name)
			require.Equal(t, rate, stats.Rate)
			for i, at := range s.at {
				require.InDelta(t, time.Duration(i)*100*time.Millisecond, at, float64(time.Millisecond), name)
			}
		})
	}
}

func TestTheBurstStartsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStarts()
		_, err := dmap.Map(t.Context(), numbers(20), s.call, dmap.Options{Rate: dmap.Rate{Calls: 1, Burst: 5}})
		require.NoError(t, err)
		require.Zero(t, s.at[4])
		require.InDelta(t, time.Second, s.at[5], float64(time.Millisecond))
		require.InDelta(t, 15*time.Second, s.at[19], float64(time.Millisecond))
	})
}

// Fast calls travel in chunks of many. The rate holds within a chunk too, and the chunks that wait
// already follow a rate that is set later.
func TestTheRateHoldsForChunksThatWereFilledBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStarts()
		var run *dmap.Run
		ready := make(chan struct{})
		run, err := dmap.Start(t.Context(), numbers(20_000), func(_ context.Context, i int) (int, error) {
			if s.note(); i == 10_000 {
				<-ready
				if err := run.SetRate(dmap.Rate{Calls: 1000}); err != nil {
					return 0, err
				}
				s.began = time.Now()
			}
			return i, nil
		}, dmap.Options{MaxConcurrency: 1})
		require.NoError(t, err)
		close(ready)
		_, err = run.Wait()
		require.NoError(t, err)
		require.Len(t, s.at, 20_000)
		for n, at := range s.at[10_001:] { // the burst is 10
			require.GreaterOrEqual(t, at, time.Duration(n-10)*time.Millisecond)
		}
		require.InDelta(t, 10*time.Second, s.at[19_999], float64(100*time.Millisecond))
	})
}

func TestABatchLargerThanTheBurstStartsAndIsPaidLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStarts()
		_, err := dmap.MapBatch(t.Context(), numbers(400), batch.Limits{Items: 100}, s.batch,
			dmap.Options{Rate: dmap.Rate{Items: 10, Burst: 3}})
		require.NoError(t, err)
		require.Len(t, s.at, 4)
		for i, at := range s.at { // each pays for the 100 items before, up to the burst
			require.InDelta(t, time.Duration(i)*10*time.Second, at, float64(time.Millisecond))
		}
	})
}

func TestCallsAndItemsOfBatchesHaveTheirOwnRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStarts()
		_, err := dmap.MapBatch(t.Context(), numbers(400), batch.Limits{Items: 100}, s.batch, dmap.Options{Rate: dmap.Rate{Calls: 1}})
		require.NoError(t, err)
		require.InDelta(t, 3*time.Second, s.at[3], float64(time.Millisecond))
	})
}

func TestACallThatWaitsForTheRateUsesNoSlotAndNoTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, err := dmap.Start(t.Context(), numbers(10), func(ctx context.Context, i int) (int, error) {
			deadline, _ := ctx.Deadline()
			require.Equal(t, time.Second, time.Until(deadline))
			return i, nil
		}, dmap.Options{Rate: dmap.Rate{Calls: 0.1}, Timeout: time.Second})
		require.NoError(t, err)
		for range 9 {
			time.Sleep(5 * time.Second)
			synctest.Wait()
			require.Zero(t, run.Stats().InFlight)
			require.Positive(t, run.Stats().Queued)
			time.Sleep(5 * time.Second)
		}
		stats, err := run.Wait()
		require.NoError(t, err)
		require.EqualValues(t, 10, stats.Succeeded)
	})
}

func TestANewRateHoldsForTheCallsThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStarts()
		run, err := dmap.Start(t.Context(), numbers(100), s.call, dmap.Options{Rate: dmap.Rate{Calls: 1e-12}})
		require.NoError(t, err)
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		require.Len(t, s.at, 1)
		require.NoError(t, run.SetRate(dmap.Rate{Calls: 1}))
		require.Equal(t, dmap.Rate{Calls: 1}, run.Stats().Rate)
		time.Sleep(9500 * time.Millisecond)
		synctest.Wait()
		require.Len(t, s.at, 10)
		for _, bad := range []dmap.Rate{{Calls: -1}, {Items: math.NaN()}, {Calls: math.Inf(1)}, {Burst: -1}} {
			require.Error(t, run.SetRate(bad))
		}
		require.NoError(t, run.SetRate(dmap.Rate{}))
		stats, err := run.Wait()
		require.NoError(t, err)
		require.Zero(t, stats.Rate)
		require.InDelta(t, 48*time.Hour+9500*time.Millisecond, s.at[99], float64(time.Millisecond))
		require.NoError(t, run.SetRate(dmap.Rate{Calls: 1}), "after the end it does nothing")
	})
}

func TestPauseAndEveryStopEndTheWaitForTheRate(t *testing.T) {
	for name, stop := range map[string]func(run *dmap.Run, cancel context.CancelFunc){
		"cancel":  func(run *dmap.Run, _ context.CancelFunc) { run.Cancel(nil) },
		"suspend": func(run *dmap.Run, _ context.CancelFunc) { run.Suspend() },
		"context": func(_ *dmap.Run, cancel context.CancelFunc) { cancel() },
		"pause then cancel": func(run *dmap.Run, _ context.CancelFunc) {
			run.Pause()
			time.Sleep(time.Hour)
			run.Cancel(nil)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := newStarts()
			run, err := dmap.Start(ctx, numbers(1000), s.call, dmap.Options{Rate: dmap.Rate{Calls: 0.001}})
			require.NoError(t, err)
			time.Sleep(1500 * time.Second)
			stop(run, cancel)
			began := time.Now()
			stats, err := run.Wait()
			require.Error(t, err, name)
			require.Less(t, time.Since(began), time.Second, name)
			require.Len(t, s.at, 2, name)
			requireSum(t, stats)
		})
	}
}

func TestItemsWithoutACallTakeNoRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStarts()
		stats, err := dmap.Map(t.Context(), fewReadable(1000), s.call, dmap.Options{
			Rate: dmap.Rate{Calls: 1}, Tolerance: dmap.Tolerance{Percentage: 100},
		})
		require.NoError(t, err)
		require.EqualValues(t, 990, stats.Failed)
		require.Len(t, s.at, 10)
		require.InDelta(t, 9*time.Second, s.at[9], float64(time.Millisecond))
	})
}

func TestRatesThatAreNoNumbersAreRefused(t *testing.T) {
	for _, rate := range []dmap.Rate{
		{Calls: -1}, {Items: -0.001}, {Calls: math.NaN()}, {Items: math.NaN()}, {Calls: math.Inf(1)}, {Items: math.Inf(-1)}, {Burst: -1},
	} {
		_, err := dmap.Map(t.Context(), numbers(1), double, dmap.Options{Rate: rate})
		require.ErrorContains(t, err, "Options.Rate.")
	}
	for _, rate := range []dmap.Rate{{Calls: math.MaxFloat64}, {Items: 1e-300, Burst: math.MaxInt}, {Burst: 5}} {
		stats, err := dmap.Map(t.Context(), numbers(1000), double, dmap.Options{Rate: rate})
		require.NoError(t, err)
		require.EqualValues(t, 1000, stats.Succeeded)
	}
}

// The rate holds for retries too, and they share it with fresh items.
func TestRetriesCountForTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStarts()
		stats, err := dmap.Map(t.Context(), numbers(50), func(ctx context.Context, i int) (int, error) {
			s.note()
			if info, _ := dmap.InfoFrom(ctx); info.Attempt < 3 {
				return 0, errBoom
			}
			return i, nil
		}, dmap.Options{Rate: dmap.Rate{Calls: 10}, Retry: dmap.Retry{MaxAttempts: 3, Initial: time.Millisecond}})
		require.NoError(t, err)
		require.EqualValues(t, 150, stats.Calls)
		require.True(t, slices.IsSorted(s.at))
		for i, at := range s.at {
			require.GreaterOrEqual(t, at, time.Duration(i)*100*time.Millisecond-time.Microsecond)
		}
		require.InDelta(t, 14900*time.Millisecond, s.at[149], float64(50*time.Millisecond))
	})
}

// fewReadable is a source of n items, of which each hundredth can be read.
type fewReadable int

func (n fewReadable) Items(context.Context) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		for i := range int(n) {
			item := dmap.Item[int]{Key: "n", Offset: int64(i), Value: i, Err: errBoom}
			if i%100 == 0 {
				item.Err = nil
			}
			if !yield(item, nil) {
				return
			}
		}
	}
}
