package dmap_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/testsize"
)

// laws are the times of calls, in seconds.
var laws = []struct {
	name string
	draw func(r *rand.Rand) float64
}{
	{"exponential", func(r *rand.Rand) float64 { return r.ExpFloat64() }},
	{"lognormal, sigma 0.5", func(r *rand.Rand) float64 { return math.Exp(0.5 * r.NormFloat64()) }},
	{"lognormal, sigma 1", func(r *rand.Rand) float64 { return math.Exp(r.NormFloat64()) }},
	{"lognormal, sigma 1.5", func(r *rand.Rand) float64 { return math.Exp(1.5 * r.NormFloat64()) }},
	{"pareto, index 3", func(r *rand.Rand) float64 { return math.Pow(1-r.Float64(), -1/3.0) }},
	{"pareto, index 2", func(r *rand.Rand) float64 { return math.Pow(1-r.Float64(), -1/2.0) }},
	{"bimodal, 5 % take 20 times as long", func(r *rand.Rand) float64 {
		if r.Float64() < 0.05 {
			return 20
		}
		return 1
	}},
}

// took draws the time of the call for item n of a job: always the same.
func took(draw func(*rand.Rand) float64, job uint64, n int) time.Duration {
	return time.Duration(draw(rand.New(rand.NewPCG(job, uint64(n)))) * float64(time.Second))
}

// sleeps is a function whose calls take these times.
func sleeps(draw func(*rand.Rand) float64, job uint64) func(context.Context, int) (int, error) {
	return func(_ context.Context, n int) (int, error) {
		time.Sleep(took(draw, job, n))
		return n, nil
	}
}

func holds(r dmap.TimeRange, truth time.Duration) bool { return r.Low <= truth && truth <= r.High }

// Jobs of each law, in virtual time, a hundred in make long: each is estimated from 300 of its
// items, and then runs. Of the estimates that were not refused 90 % hold the time.
func TestEstimatesHoldTheTimeOfJobs(t *testing.T) {
	const items, slots = 6000, 20
	for _, law := range laws {
		t.Run(law.name, func(t *testing.T) {
			held, refused, all := 0, 0, testsize.Sizes{Short: 10, Race: 5, Usual: 40, Long: 100}.Now()
			var width float64
			for job := range uint64(all) {
				synctest.Test(t, func(t *testing.T) {
					opts := dmap.Options{MaxConcurrency: slots}
					e, err := dmap.Estimate(t.Context(), pieces{items, 1000}, sleeps(law.draw, job), opts, dmap.Sampling{Items: 300, Seed: job})
					var little *dmap.SampleError
					if errors.As(err, &little) {
						refused++
						return
					}
					require.NoError(t, err)
					began := time.Now()
					_, err = dmap.Map(t.Context(), pieces{items, 1000}, sleeps(law.draw, job), opts)
					require.NoError(t, err)
					if holds(e.Times[0], time.Since(began)) {
						held++
					}
					width += float64(e.Times[0].High) / float64(e.Times[0].Low)
				})
			}
			given := all - refused
			t.Logf("%-36s %3d estimates, %3d hold the time, %3d refused; ends %.2f apart on average", law.name, given, held, refused, width/float64(max(given, 1)))
			allowed := given / 10
			if all < 100 { // by chance
				allowed += 2
			}
			require.LessOrEqual(t, given-held, allowed)
		})
	}
}

// objectsOf is a listing of n objects.
type objectsOf int

func (n objectsOf) Items(context.Context) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		for i := range int(n) {
			key := fmt.Sprintf("data/%06d.json", i)
			item := dmap.Item[int]{Key: key, Offset: dmap.WholeObject, Value: i, Size: int64(1000 + i%500), Next: dmap.Cursor{Offset: int64(i) + 1}}
			if !yield(item, nil) {
				return
			}
		}
	}
}

// Half a million objects, each of which takes a time of its own, at three concurrencies; one call
// in fifty fails once.
func TestAnEstimateHoldsForHalfAMillionObjects(t *testing.T) {
	if testing.Short() || testsize.RaceDetector {
		t.Skip("half a minute of CPU: make test runs it without the race detector")
	}
	const objects = 500_000
	law := laws[2].draw
	call := func(ctx context.Context, n int) (int, error) {
		time.Sleep(took(law, 1, n))
		info, _ := dmap.InfoFrom(ctx)
		if n%50 == 7 && info.Attempt == 1 {
			return 0, errBoom
		}
		return n, nil
	}
	retry := dmap.Retry{MaxAttempts: 3, Initial: 100 * time.Millisecond}
	synctest.Test(t, func(t *testing.T) {
		s := dmap.Sampling{Items: 1000, Concurrency: []int{100, 300, 1000}, Seed: 1}
		e, err := dmap.Estimate(t.Context(), objectsOf(objects), call, dmap.Options{MaxConcurrency: 100, Retry: retry}, s)
		require.NoError(t, err)
		t.Logf("\n%v", e)
		require.Equal(t, dmap.Range{Low: objects, High: objects}, e.Items)
		for _, r := range e.Times {
			began := time.Now()
			stats, err := dmap.Map(t.Context(), objectsOf(objects), call, dmap.Options{MaxConcurrency: r.Concurrency, Retry: retry})
			require.NoError(t, err)
			truth := time.Since(began)
			t.Logf("concurrency %d took %v, estimated %v to %v; %d requests, estimated %.0f to %.0f", r.Concurrency,
				truth.Round(time.Second), r.Low.Round(time.Second), r.High.Round(time.Second), stats.Calls, e.Requests.Low, e.Requests.High)
			require.True(t, holds(r, truth))
			require.LessOrEqual(t, e.Requests.Low, float64(stats.Calls))
			require.GreaterOrEqual(t, e.Requests.High, float64(stats.Calls))
		}
	})
}

func TestAnEstimateRefusesWhatASampleDoesNotTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		count := func(_ context.Context, n int) (int, error) { calls++; time.Sleep(time.Second); return n, nil }
		opts := dmap.Options{MaxConcurrency: 1}
		for name, test := range map[string]struct {
			src  dmap.Source[int]
			fn   func(context.Context, int) (int, error)
			s    dmap.Sampling
			want string
		}{
			"few items": {numbers(29), count, dmap.Sampling{}, "the source has 29, want at least 30"},
			"too many":  {numbers(1000), count, dmap.Sampling{MaxRead: 999}, "raise Sampling.MaxRead (999)"},
			"one takes nearly all": {numbers(100), func(_ context.Context, n int) (int, error) {
				time.Sleep(time.Second * time.Duration(1+100*(n/99)))
				return n, nil
			}, dmap.Sampling{Items: 100}, "a few items take nearly all of it"},
			"no time": {numbers(100), func(_ context.Context, n int) (int, error) { return n, nil }, dmap.Sampling{}, "no call took any time"},
		} {
			_, err := dmap.Estimate(t.Context(), test.src, test.fn, opts, test.s)
			var little *dmap.SampleError
			require.ErrorAs(t, err, &little, name)
			require.ErrorContains(t, err, test.want, name)
		}
		require.Zero(t, calls, "an unknown total is refused before the calls")
	})
}

func TestAnEstimateRunsTheFunctionAsTheRunWould(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := dmap.Options{
			RunID: "r", MaxConcurrency: 7, Timeout: 2 * time.Second, AbandonAfter: time.Second,
			Retry: dmap.Retry{MaxAttempts: 2, NoJitter: true, Initial: time.Hour}, MaxItems: 500,
		}
		var mu sync.Mutex
		keys := map[string]bool{}
		e, err := dmap.Estimate(t.Context(), numbers(1000), func(ctx context.Context, n int) (int, error) {
			info, ok := dmap.InfoFrom(ctx)
			require.True(t, ok)
			require.Equal(t, dmap.IdempotencyKey("r", fmt.Sprintf("n@%d", n)), info.IdempotencyKey())
			require.Less(t, n, 500, "MaxItems")
			mu.Lock()
			keys[info.ID()] = true
			mu.Unlock()
			time.Sleep(time.Second)
			switch {
			case n%10 == 0 && info.Attempt == 1:
				return 0, errBoom
			case n%100 == 1:
				panic("oh")
			}
			return n, nil
		}, opts, dmap.Sampling{Items: 100, Seed: 5, Concurrency: []int{1, 10}})
		require.NoError(t, err)
		require.Len(t, keys, 100)
		require.Equal(t, dmap.Range{Low: 500, High: 500}, e.Items)
		require.Less(t, e.Requests.Low, 550.0)
		require.Greater(t, e.Requests.High, 550.0)
		require.Less(t, e.Times[0].Low, 550*time.Second)
		require.Greater(t, e.Times[0].High, 550*time.Second)
		require.Less(t, e.Times[1].High, e.Times[0].Low)
	})
}

// The items of a seed are the same in every call, and each item is as likely as each other.
func TestASampleIsReproducibleAndFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counts := make([]int, 300)
		for seed := range uint64(200) {
			var first []int
			for range 2 {
				var got []int
				_, err := dmap.Estimate(t.Context(), numbers(300), func(_ context.Context, n int) (int, error) {
					got = append(got, n)
					time.Sleep(time.Second)
					return n, nil
				}, dmap.Options{MaxConcurrency: 1}, dmap.Sampling{Items: 30, Seed: seed})
				require.NoError(t, err)
				if first == nil {
					first = got
				}
				require.Equal(t, first, got)
			}
			for _, n := range first {
				counts[n]++
			}
		}
		var chi float64
		for _, c := range counts {
			chi += float64(c-20) * float64(c-20) / 20
		}
		require.Less(t, chi, 400.0, "the 99.9 % quantile of chi squared with 299 degrees of freedom is 380")
	})
}

func TestAnEstimateOfBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fn := func(_ context.Context, items []dmap.Item[int]) ([]int, error) {
			h := fnv.New32()
			fmt.Fprint(h, items[0].Value)
			time.Sleep(time.Second + time.Duration(h.Sum32()%1000)*time.Millisecond)
			return make([]int, len(items)), nil
		}
		opts := dmap.Options{MaxConcurrency: 10}
		e, err := dmap.EstimateBatch(t.Context(), numbers(10_000), batch.Limits{Items: 10}, fn, opts, dmap.Sampling{Items: 1000})
		require.NoError(t, err)
		began := time.Now()
		stats, err := dmap.MapBatch(t.Context(), numbers(10_000), batch.Limits{Items: 10}, fn, opts)
		require.NoError(t, err)
		require.True(t, holds(e.Times[0], time.Since(began)), "%v: %v", e, time.Since(began))
		require.InDelta(t, stats.Calls, e.Requests.Low, 0)
		require.InDelta(t, stats.Calls, e.Requests.High, 0)
	})
}

func TestAnEstimateChecksItsArguments(t *testing.T) {
	_, err := dmap.Estimate[int, int](t.Context(), nil, nil, dmap.Options{MaxConcurrency: -1}, dmap.Sampling{Items: 29, MaxRead: -1, Concurrency: []int{0, 10_001}})
	for _, text := range []string{"the source is nil", "the function is nil", "MaxConcurrency -1", "Sampling.Items 29", "MaxRead -1", "Concurrency 0", "Concurrency 10001"} {
		require.ErrorContains(t, err, text)
	}
	require.Equal(t, 64, dmap.ExitCode(err))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = dmap.Estimate(ctx, numbers(100), uncalled, dmap.Options{}, dmap.Sampling{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = dmap.Estimate(t.Context(), itemsOf(func(yield func(dmap.Item[int], error) bool) {
		yield(dmap.Item[int]{}, errBoom)
	}), uncalled, dmap.Options{}, dmap.Sampling{})
	var broken *dmap.SourceError
	require.ErrorAs(t, err, &broken)
}

// Options.Enough ends the run, and not the sample.
func TestAnEstimateCallsTheWholeSampleAlsoWithEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		_, err := dmap.Estimate(t.Context(), numbers(1000), func(_ context.Context, n int) (int, error) {
			calls++
			time.Sleep(time.Second)
			return n, nil
		}, dmap.Options{MaxConcurrency: 1, Enough: 10}, dmap.Sampling{Items: 100})
		require.NoError(t, err)
		require.Equal(t, 100, calls)
	})
}

// A call that is abandoned holds its slot until then, and not until the end of the sample.
func TestAnEstimateCountsAbandonedCallsUntilTheirEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fn := func(_ context.Context, n int) (int, error) {
			time.Sleep(time.Second)
			if n%10 == 0 {
				time.Sleep(time.Hour)
			}
			return n, nil
		}
		defer time.Sleep(2 * time.Hour) // until the abandoned calls return
		opts := dmap.Options{
			MaxConcurrency: 1, Timeout: 2 * time.Second, AbandonAfter: time.Second, Tolerance: dmap.Tolerance{Percentage: 100},
		}
		e, err := dmap.Estimate(t.Context(), numbers(1000), fn, opts, dmap.Sampling{Items: 200})
		require.NoError(t, err)
		began := time.Now()
		_, err = dmap.Map(t.Context(), numbers(1000), fn, opts)
		require.NoError(t, err)
		require.True(t, holds(e.Times[0], time.Since(began)), "%v: %v", e, time.Since(began))
	})
}

// Of retried batches the sample tells a range only.
func TestAnEstimateOfBatchesHoldsTheirRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := dmap.Options{MaxConcurrency: 10, Retry: dmap.Retry{MaxAttempts: 3}}
		held := 0
		for job := range uint64(20) {
			fn := func(ctx context.Context, items []dmap.Item[int]) ([]int, error) {
				time.Sleep(time.Second)
				info, _ := dmap.InfoFrom(ctx)
				errs := batch.Errors{}
				for i, item := range items {
					if item.Value%10 == 0 && info.Attempt == 1 && took(laws[0].draw, job, item.Value) < time.Second/5 {
						errs[i] = errBoom
					}
				}
				return make([]int, len(items)), errs.Err()
			}
			e, err := dmap.EstimateBatch(t.Context(), numbers(5005), batch.Limits{Items: 10}, fn, opts, dmap.Sampling{Items: 505, Seed: job})
			require.NoError(t, err)
			stats, err := dmap.MapBatch(t.Context(), numbers(5005), batch.Limits{Items: 10}, fn, opts)
			require.NoError(t, err)
			if e.Requests.Low <= float64(stats.Calls) && float64(stats.Calls) <= e.Requests.High {
				held++
			}
		}
		require.GreaterOrEqual(t, held, 18)
	})
}

// An item that cannot be read belongs to no batch.
func TestAnEstimateOfBatchesWithoutAnyReadableItemIsRefused(t *testing.T) {
	src := itemsOf(func(yield func(dmap.Item[int], error) bool) {
		for i := range 100 {
			if !yield(dmap.Item[int]{Key: "n", Offset: int64(i), Err: errBoom, Next: dmap.Cursor{Offset: int64(i) + 1}}, nil) {
				return
			}
		}
	})
	fn := func(_ context.Context, items []dmap.Item[int]) ([]int, error) { return make([]int, len(items)), nil }
	_, err := dmap.EstimateBatch(t.Context(), src, batch.Limits{Items: 10}, fn, dmap.Options{}, dmap.Sampling{})
	var little *dmap.SampleError
	require.ErrorAs(t, err, &little)
}

// A function whose calls differ is not known exactly when all items are in the sample.
func TestAnEstimateFromAllItemsIsARangeOfUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := dmap.Estimate(t.Context(), numbers(200), sleeps(laws[2].draw, 1), dmap.Options{MaxConcurrency: 2}, dmap.Sampling{Items: 200})
		require.NoError(t, err)
		began := time.Now()
		_, err = dmap.Map(t.Context(), numbers(200), sleeps(laws[2].draw, 1), dmap.Options{MaxConcurrency: 2})
		require.NoError(t, err)
		require.True(t, holds(e.Times[0], time.Since(began)), "%v: %v", e, time.Since(began))
	})
}
