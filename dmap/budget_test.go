package dmap_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
)

// sized is a source of n ints of a size that a function tells.
func sized(n int, size func(i int) int64) items {
	return func(_ context.Context, yield func(dmap.Item[int], error) bool) {
		for i := range n {
			item := dmap.Item[int]{Key: "n", Offset: int64(i), Value: i, Size: size(i), Next: dmap.Cursor{Offset: int64(i) + 1}}
			if !yield(item, nil) {
				return
			}
		}
	}
}

func TestABudgetOfCallsIsNeverExceededAndTheSameCallContinuesWithAFreshOne(t *testing.T) {
	var d diary
	opts := dmap.Options{RunID: "r", MaxConcurrency: 7, Budget: dmap.Budget{Calls: 30}}
	for process := 1; process <= 4; process++ {
		var calls atomic.Int64
		stats, err := dmap.Map(t.Context(), numbers(100), func(_ context.Context, i int) (int, error) { calls.Add(1); return i, nil }, opts, &page{}, &d)
		require.Zero(t, stats.Failed)
		require.Equal(t, stats.Read, stats.Succeeded+stats.Pending)
		if process == 4 {
			require.NoError(t, err)
			require.EqualValues(t, 10, calls.Load())
			require.EqualValues(t, 100, stats.Calls)
			require.Equal(t, "succeeded", stats.Reason)
			break
		}
		require.EqualValues(t, 30, calls.Load())
		require.EqualValues(t, 30*process, stats.Succeeded)
		require.ErrorIs(t, err, dmap.ErrBudget)
		require.ErrorIs(t, err, dmap.ErrOpen)
		require.NotErrorIs(t, err, dmap.ErrSuspended)
		require.Equal(t, 75, dmap.ExitCode(err))
		require.Equal(t, dmap.StateOpen, stats.State)
		require.Equal(t, "budget", stats.Reason)
		require.Equal(t, "dmap: run r is open, call again with the same RunID to resume it: incomplete: budget: 30 of 30 calls used (Options.Budget.Calls)",
			err.Error())
		var spent *dmap.BudgetError
		require.ErrorAs(t, err, &spent)
		require.EqualValues(t, 30, spent.Used.Calls)
	}
	require.Len(t, d.counted(t), 100)
}

func TestARunThatUsesExactlyItsBudgetSucceeds(t *testing.T) {
	for name, budget := range map[string]dmap.Budget{
		"calls": {Calls: 100}, "bytes": {Bytes: 300}, "units": {Units: 100}, "all": {Calls: 100, Bytes: 300, Units: 100, Time: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				stats, err := dmap.Map(t.Context(), sized(100, func(int) int64 { return 3 }), func(ctx context.Context, i int) (int, error) {
					return i, dmap.Spend(ctx, 1)
				}, dmap.Options{MaxConcurrency: 5, Budget: budget, TotalBudget: budget})
				require.NoError(t, err)
				require.EqualValues(t, 300, stats.Bytes)
				require.InDelta(t, 100, stats.Units, 0)
			}
		})
	}
}

func TestATotalBudgetIsOfAllProcessesAndItsErrorNamesTheFieldToRaise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for field, c := range map[string]struct {
			total, raised dmap.Budget
			text          string
		}{
			"Calls": {dmap.Budget{Calls: 50}, dmap.Budget{Calls: 100}, "50 of 50 calls used"},
			"Bytes": {dmap.Budget{Bytes: 150}, dmap.Budget{Bytes: 1000}, "150 of 150 bytes used"},
			"Time":  {dmap.Budget{Time: 50 * time.Second}, dmap.Budget{Time: time.Hour}, "50s of 50s used"},
			"Units": {dmap.Budget{Units: 25}, dmap.Budget{Units: 1000}, "25 of 25 units used"},
		} {
			var d diary
			opts := dmap.Options{RunID: "r", MaxConcurrency: 1, Budget: dmap.Budget{Calls: 20}, TotalBudget: c.total}
			fn := func(ctx context.Context, i int) (int, error) {
				time.Sleep(time.Second)
				return i, dmap.Spend(ctx, 0.5)
			}
			src := sized(100, func(int) int64 { return 3 })
			for range 2 {
				_, err := dmap.Map(t.Context(), src, fn, opts, &page{}, &d)
				require.ErrorIs(t, err, dmap.ErrOpen, field)
			}
			for range 2 { // the second time no call starts
				stats, err := dmap.Map(t.Context(), src, fn, opts, &page{}, &d)
				require.ErrorIs(t, err, dmap.ErrBudget, field)
				require.NotErrorIs(t, err, dmap.ErrOpen, field)
				require.Equal(t, 78, dmap.ExitCode(err), field)
				require.Equal(t, dmap.StateOpen, stats.State, field)
				require.Equal(t, "total budget", stats.Reason, field)
				require.EqualValues(t, 50, stats.Calls, field)
				require.EqualValues(t, 150, stats.Bytes, field)
				require.InDelta(t, 25, stats.Units, 0, field)
				require.ErrorContains(t, err, "run r is open, raise Options.TotalBudget."+field+" and call again", field)
				require.ErrorContains(t, err, c.text, field)
				var spent *dmap.BudgetError
				require.ErrorAs(t, err, &spent)
				require.True(t, spent.Total)
			}
			opts.Budget, opts.TotalBudget = dmap.Budget{}, c.raised
			stats, err := dmap.Map(t.Context(), src, fn, opts, &page{}, &d)
			require.NoError(t, err, field)
			require.EqualValues(t, 100, stats.Succeeded, field)
			require.InDelta(t, 50, stats.Units, 0, field)
			require.Len(t, d.counted(t), 100, field)
		}
	})
}

func TestABudgetWithoutAJournalIsAnError(t *testing.T) {
	for _, opts := range []dmap.Options{{Budget: dmap.Budget{Calls: 5}}, {TotalBudget: dmap.Budget{Calls: 5}}} {
		stats, err := dmap.Map(t.Context(), numbers(10), double, opts)
		require.ErrorIs(t, err, dmap.ErrBudget)
		require.NotErrorIs(t, err, dmap.ErrOpen)
		require.Equal(t, 1, dmap.ExitCode(err))
		require.Equal(t, dmap.StateEnded, stats.State)
		require.EqualValues(t, 5, stats.Succeeded)
	}
	var got int
	var last error
	for _, err := range dmap.Results(t.Context(), numbers(10), double, dmap.Options{Budget: dmap.Budget{Calls: 5}}) {
		if last = err; err == nil {
			got++
		}
	}
	require.Equal(t, 5, got)
	require.ErrorIs(t, last, dmap.ErrBudget)
}

func TestBudgetsRejectNumbersThatAreNone(t *testing.T) {
	for name, b := range map[string]dmap.Budget{
		"Calls": {Calls: -1}, "Bytes": {Bytes: math.MinInt64}, "Time": {Time: -1}, "Units": {Units: math.NaN()},
	} {
		for field, opts := range map[string]dmap.Options{"Budget": {Budget: b}, "TotalBudget": {TotalBudget: b}} {
			_, err := dmap.Map(t.Context(), numbers(1), double, opts)
			require.ErrorContains(t, err, "Options."+field+"."+name)
			require.Equal(t, 64, dmap.ExitCode(err))
		}
	}
	for _, u := range []float64{-1, math.Inf(1), math.Inf(-1)} {
		_, err := dmap.Map(t.Context(), numbers(1), double, dmap.Options{Budget: dmap.Budget{Units: u}})
		require.ErrorContains(t, err, "Options.Budget.Units")
	}
	huge := dmap.Budget{Calls: math.MaxInt64, Bytes: math.MaxInt64, Time: math.MaxInt64, Units: math.MaxFloat64}
	_, err := dmap.Map(t.Context(), numbers(10), double, dmap.Options{Budget: huge, TotalBudget: huge})
	require.NoError(t, err)
}

func TestSpendRejectsNumbersThatAreNoneAndContextsOutsideACall(t *testing.T) {
	require.Error(t, dmap.Spend(t.Context(), 1))
	stats, err := dmap.Map(t.Context(), numbers(1), func(ctx context.Context, i int) (int, error) {
		for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, -math.SmallestNonzeroFloat64} {
			require.Error(t, dmap.Spend(ctx, bad))
		}
		require.NoError(t, dmap.Spend(ctx, 0))
		require.NoError(t, dmap.Spend(context.WithValue(ctx, recordingKey("k"), 1), 2))
		done := make(chan error)
		go func() { done <- dmap.Spend(ctx, 3) }()
		require.NoError(t, <-done)
		return i, nil
	}, dmap.Options{})
	require.NoError(t, err)
	require.InDelta(t, 5, stats.Units, 0)
}

func TestHugeAmountsNeitherOverflowNorBreakTheJournal(t *testing.T) {
	var d diary
	opts := dmap.Options{RunID: "r", MaxConcurrency: 1, TotalBudget: dmap.Budget{Calls: 3}}
	src := sized(6, func(i int) int64 { return []int64{math.MaxInt64, math.MinInt64, 5}[i%3] })
	for range 2 {
		stats, err := dmap.Map(t.Context(), src, func(ctx context.Context, i int) (int, error) {
			return i, dmap.Spend(ctx, math.MaxFloat64)
		}, opts, &page{}, &d)
		opts.TotalBudget.Calls = 6
		require.InDelta(t, math.MaxFloat64, stats.Units, 0)
		require.EqualValues(t, 1<<53, stats.Bytes)
		if err != nil {
			require.ErrorIs(t, err, dmap.ErrBudget)
		}
	}
	require.Len(t, d.counted(t), 6)
}

func TestTenTimesATenthIsOne(t *testing.T) {
	stats, err := dmap.Map(t.Context(), numbers(20), func(ctx context.Context, i int) (int, error) { return i, dmap.Spend(ctx, 0.1) },
		dmap.Options{MaxConcurrency: 1, Budget: dmap.Budget{Units: 1}})
	require.ErrorIs(t, err, dmap.ErrBudget)
	require.EqualValues(t, 10, stats.Calls)
}

// What calls in flight use beyond the budget is in Stats and in the error, and their items count.
func TestCallsInFlightReturnAndWhatTheyUseIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		stats, err := dmap.Map(t.Context(), numbers(100), func(ctx context.Context, i int) (int, error) {
			wait := 10 * time.Second
			if i == 0 {
				wait = time.Second
			}
			select {
			case <-time.After(wait):
				return i, dmap.Spend(ctx, 10)
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}, dmap.Options{RunID: "r", MaxConcurrency: 5, Budget: dmap.Budget{Units: 10}}, &page{}, &d)
		var spent *dmap.BudgetError
		require.ErrorAs(t, err, &spent)
		require.Equal(t, dmap.Usage{Calls: 5, Time: 10 * time.Second, Units: 50}, spent.Used)
		require.InDelta(t, 50, stats.Units, 0)
		require.EqualValues(t, 5, stats.Succeeded)
		require.Zero(t, stats.Failed)
		require.ErrorContains(t, err, "50 of 10 units used")
	})
}

// A retry that no budget has room for ends the run at once, not when it is due, and is no failure.
func TestARunDoesNotWaitForARetryThatMayNotStart(t *testing.T) {
	for name, c := range map[string]dmap.Budget{"calls": {Calls: 1}, "time": {Time: time.Second}, "units": {Units: 1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				began := time.Now()
				stats, err := dmap.Map(t.Context(), numbers(1), func(ctx context.Context, _ int) (int, error) {
					time.Sleep(time.Second)
					require.NoError(t, dmap.Spend(ctx, 1))
					return 0, dmap.RetryAfter(errBoom, time.Hour)
				}, dmap.Options{RunID: "r", Budget: c, Retry: dmap.Retry{MaxAttempts: 3}}, &page{}, &d)
				require.ErrorIs(t, err, dmap.ErrBudget)
				require.Equal(t, time.Second, time.Since(began))
				require.Zero(t, stats.Failed)
				require.EqualValues(t, 1, stats.Pending)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // the budget is used up after the retry was scheduled
		began := time.Now()
		stats, err := dmap.Map(t.Context(), numbers(2), func(ctx context.Context, i int) (int, error) {
			if i == 0 {
				return 0, dmap.RetryAfter(errBoom, time.Hour)
			}
			time.Sleep(time.Minute)
			return i, dmap.Spend(ctx, 1)
		}, dmap.Options{Budget: dmap.Budget{Units: 1}, Retry: dmap.Retry{MaxAttempts: 3}})
		require.ErrorIs(t, err, dmap.ErrBudget)
		require.Equal(t, time.Minute, time.Since(began))
		require.EqualValues(t, 1, stats.Succeeded)
		require.EqualValues(t, 1, stats.Pending)
	})
}

func TestABudgetOfTimeEndsARunWhoseSourceIsIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := items(func(ctx context.Context, yield func(dmap.Item[int], error) bool) {
			yield(dmap.Item[int]{Key: "n", Next: dmap.Cursor{Offset: 1}}, nil)
			<-ctx.Done()
		})
		began := time.Now()
		stats, err := dmap.Map(t.Context(), src, double, dmap.Options{Budget: dmap.Budget{Time: time.Minute}})
		require.ErrorIs(t, err, dmap.ErrBudget)
		require.Equal(t, time.Minute, time.Since(began))
		require.EqualValues(t, 1, stats.Succeeded)
	})
	synctest.Test(t, func(t *testing.T) { // the last calls are in flight: nothing has to start any more
		_, err := dmap.Map(t.Context(), numbers(3), func(_ context.Context, i int) (int, error) { time.Sleep(time.Hour); return i, nil },
			dmap.Options{Budget: dmap.Budget{Time: time.Minute}})
		require.NoError(t, err)
	})
}

func TestABudgetInBatches(t *testing.T) {
	for name, c := range map[string]struct {
		budget dmap.Budget
		calls  int64
	}{"calls": {dmap.Budget{Calls: 3}, 3}, "bytes": {dmap.Budget{Bytes: 61}, 4}, "units": {dmap.Budget{Units: 21}, 3}} {
		t.Run(name, func(t *testing.T) {
			var d diary
			opts := dmap.Options{RunID: "r", MaxConcurrency: 1, Budget: c.budget}
			fn := func(ctx context.Context, in []dmap.Item[int]) ([]int, error) {
				return make([]int, len(in)), dmap.Spend(ctx, float64(len(in)))
			}
			src := sized(100, func(int) int64 { return 2 })
			stats, err := dmap.MapBatch(t.Context(), src, batch.Limits{Items: 10}, fn, opts, &page{}, &d)
			require.ErrorIs(t, err, dmap.ErrBudget)
			require.Equal(t, c.calls, stats.Calls)
			require.Equal(t, 10*c.calls, stats.Succeeded)
			require.Equal(t, 20*c.calls, stats.Bytes)
			for err != nil {
				require.ErrorIs(t, err, dmap.ErrOpen)
				stats, err = dmap.MapBatch(t.Context(), src, batch.Limits{Items: 10}, fn, opts, &page{}, &d)
			}
			require.EqualValues(t, 100, stats.Succeeded)
			require.EqualValues(t, 200, stats.Bytes)
			require.InDelta(t, 100, stats.Units, 0)
		})
	}
}

func TestTheBytesOfEveryCallCount(t *testing.T) {
	src := sized(30, func(int) int64 { return 2 })
	opts := dmap.Options{MaxConcurrency: 3, Tolerance: dmap.Tolerance{Percentage: 100}, Retry: dmap.Retry{MaxAttempts: 2, Initial: 1}}
	stats, err := dmap.MapBatch(t.Context(), src, batch.Limits{Items: 10}, func(_ context.Context, in []dmap.Item[int]) ([]int, error) {
		if in[0].Value == 10 {
			runtime.Goexit()
		}
		return make([]int, len(in)), batch.Errors{1: errBoom}
	}, opts)
	require.NoError(t, err)
	require.EqualValues(t, 60+2*2, stats.Bytes, "a retry sends one item")
	stats, err = dmap.Map(t.Context(), src, func(_ context.Context, i int) (int, error) {
		switch i % 3 {
		case 0:
			runtime.Goexit()
		case 1:
			return 0, errBoom
		}
		return i, nil
	}, opts)
	require.NoError(t, err)
	require.EqualValues(t, 60+10*2, stats.Bytes)
}

// The end of a nested run by its budget is an ordinary failure of the outer item.
func TestTheBudgetOfANestedRunIsItsOwn(t *testing.T) {
	stats, err := dmap.Map(t.Context(), numbers(3), func(ctx context.Context, i int) (int, error) {
		inner, err := dmap.Map(ctx, numbers(10), func(ctx context.Context, i int) (int, error) { return i, dmap.Spend(ctx, 2) },
			dmap.Options{MaxConcurrency: 1, Budget: dmap.Budget{Calls: 4}})
		require.ErrorIs(t, err, dmap.ErrBudget)
		require.InDelta(t, 8, inner.Units, 0)
		return i, err
	}, dmap.Options{Budget: dmap.Budget{Units: 1}})
	require.ErrorIs(t, err, dmap.ErrTolerance)
	require.NotErrorIs(t, err, dmap.ErrBudget)
	var spent *dmap.BudgetError
	require.NotErrorAs(t, err, &spent)
	require.Zero(t, stats.Units)
}

// Units that a long call reports are kept also if nothing settles, and calls that were interrupted
// count for the total.
func TestWhatACrashedProcessHasReportedIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		ctx, cancel := context.WithCancelCause(t.Context())
		var kept float64
		opts := dmap.Options{RunID: "r", MaxConcurrency: 2, TotalBudget: dmap.Budget{Units: 100}}
		_, err := dmap.Map(ctx, numbers(2), func(ctx context.Context, _ int) (int, error) {
			require.NoError(t, dmap.Spend(ctx, 7))
			time.Sleep(10 * time.Second)
			d.mu.Lock()
			kept = 0
			for _, c := range d.commits {
				kept += c.Counts.Units
			}
			d.mu.Unlock()
			cancel(errWhy)
			<-ctx.Done()
			return 0, ctx.Err()
		}, opts, &page{}, &d)
		require.ErrorIs(t, err, errWhy)
		require.InDelta(t, 14, kept, 0, "a process that is killed now has kept them")
		stats, err := dmap.Map(t.Context(), numbers(2), double, opts, &page{}, &d)
		require.NoError(t, err)
		require.InDelta(t, 14, stats.Units, 0)
		require.EqualValues(t, 2, stats.Calls, "the interrupted calls are no attempts")
		var interrupted int64
		for _, c := range d.commits {
			interrupted += c.Counts.Interrupted
		}
		require.EqualValues(t, 2, interrupted)
	})
}

// A budget has paid for calls that were interrupted.
func TestInterruptedCallsCountForTheTotalBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var calls atomic.Int64
		opts := dmap.Options{RunID: "r", MaxConcurrency: 4, TotalBudget: dmap.Budget{Calls: 10, Bytes: 1000}}
		src := sized(20, func(int) int64 { return 5 })
		for range 5 {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errWhy)
			_, err := dmap.Map(ctx, src, func(ctx context.Context, i int) (int, error) {
				calls.Add(1)
				<-ctx.Done()
				return 0, ctx.Err()
			}, opts, &page{}, &d)
			cancel()
			require.Error(t, err)
		}
		require.EqualValues(t, 10, calls.Load())
		var bytes int64
		for _, c := range d.commits {
			bytes += c.Counts.Bytes
		}
		require.EqualValues(t, 50, bytes)
	})
}

// 100 jobs with calls whose time, bytes and units have heavy tails: once the reported use has
// reached the budget no call starts, and the same call ends the job.
func TestNoCallStartsAfterTheBudgetWasReached(t *testing.T) {
	type row struct{ jobs, processes, over, late int }
	table := map[string]*row{}
	var most [4]float64
	fields := []string{"Calls", "Bytes", "Time", "Units"}
	for job := range 100 {
		field := job % 4
		r := table[fields[field]]
		if r == nil {
			r = &row{}
			table[fields[field]] = r
		}
		r.jobs++
		synctest.Test(t, func(t *testing.T) {
			j := newTailedJob(uint64(job), fields[field])
			var d diary
			var stats dmap.Stats
			err := dmap.ErrOpen
			for process := 0; errors.Is(err, dmap.ErrOpen) && process < 10_000; process++ {
				stats, err = j.process(t, &d)
				r.processes++
				if err != nil {
					r.over++
					var spent *dmap.BudgetError
					require.ErrorAs(t, err, &spent)
					require.Equal(t, fields[field], spent.Field)
					most[field] = max(most[field], j.excess(spent))
				}
				require.Zero(t, stats.Failed)
			}
			require.NoError(t, err)
			require.EqualValues(t, j.n, stats.Succeeded)
			require.Len(t, d.counted(t), j.n)
			r.late += j.late
		})
	}
	t.Logf("%-6s %5s %10s %13s %28s %31s", "budget", "jobs", "processes", "budgets spent", "calls started after reached", "most used, of the budget")
	for i, field := range fields {
		r := table[field]
		t.Logf("%-6s %5d %10d %13d %28d %30.2fx", field, r.jobs, r.processes, r.over, r.late, most[i])
		require.Zero(t, r.late, field)
		require.Positive(t, r.over, field)
	}
}

// tailedJob is a job with calls of very different cost.
type tailedJob struct {
	n           int
	opts        dmap.Options
	took        []time.Duration
	size, units []int64
	late        int // calls that started after the use had reached the budget
}

// newTailedJob draws a job: Pareto with exponent 1.2, so that some calls cost a hundred times the
// usual.
func newTailedJob(seed uint64, field string) *tailedJob {
	random := rand.New(rand.NewPCG(seed, 11))
	pareto := func(least float64) float64 { return min(least/math.Pow(1-random.Float64(), 1/1.2), 1000*least) }
	j := &tailedJob{n: 50 + random.IntN(300)}
	var bytes, units int64
	for range j.n {
		j.took = append(j.took, time.Duration(pareto(float64(50*time.Millisecond))))
		j.size = append(j.size, int64(pareto(1000)))
		j.units = append(j.units, int64(pareto(100)))
		bytes += j.size[len(j.size)-1]
		units += j.units[len(j.units)-1]
	}
	share := 0.1 + 0.4*random.Float64()
	j.opts = dmap.Options{RunID: "r", MaxConcurrency: 1 + random.IntN(40), DrainTimeout: time.Hour}
	switch field {
	case "Calls":
		j.opts.Budget.Calls = max(1, int64(share*float64(j.n)))
	case "Bytes":
		j.opts.Budget.Bytes = max(1, int64(share*float64(bytes)))
	case "Time":
		j.opts.Budget.Time = time.Duration(share * float64(j.n) * float64(250*time.Millisecond) / float64(j.opts.MaxConcurrency))
	case "Units":
		j.opts.Budget.Units = max(1, share*float64(units))
	}
	return j
}

// process calls the job once. It keeps books of its own: when the use reached the budget.
func (j *tailedJob) process(t *testing.T, d *diary) (dmap.Stats, error) {
	var mu sync.Mutex
	var calls, bytes int64
	var units float64
	var reached time.Time
	began, b := time.Now(), j.opts.Budget
	look := func() {
		full := b.Calls > 0 && calls >= b.Calls || b.Bytes > 0 && bytes >= b.Bytes || b.Units > 0 && units >= b.Units
		if full && reached.IsZero() {
			reached = time.Now()
		}
	}
	return dmap.Map(t.Context(), sized(j.n, func(i int) int64 { return j.size[i] }), func(ctx context.Context, i int) (int, error) {
		mu.Lock()
		if !reached.IsZero() && time.Now().After(reached) || b.Time > 0 && time.Since(began) >= b.Time {
			j.late++
		}
		calls++
		bytes += j.size[i]
		look()
		mu.Unlock()
		for range 2 { // half of the units are reported on the way
			time.Sleep(j.took[i] / 2)
			mu.Lock()
			units += float64(j.units[i]) / 2
			require.NoError(t, dmap.Spend(ctx, float64(j.units[i])/2))
			look()
			mu.Unlock()
		}
		return i, nil
	}, j.opts, &page{}, d)
}

// excess is the use as a multiple of the budget.
func (j *tailedJob) excess(e *dmap.BudgetError) float64 {
	switch e.Field {
	case "Calls":
		return float64(e.Used.Calls) / float64(e.Budget.Calls)
	case "Bytes":
		return float64(e.Used.Bytes) / float64(e.Budget.Bytes)
	case "Time":
		return float64(e.Used.Time) / float64(e.Budget.Time)
	default:
		return e.Used.Units / e.Budget.Units
	}
}

// lender is a diary that leaves the memory of results to the engine.
type lender struct{ diary }

func (*lender) BorrowsResults() {}

// The journal has the bytes of each call once, also of chunks whose memory earlier ones had.
func TestTheJournalCountsTheBytesOfEachCallOnce(t *testing.T) {
	var d lender
	stats, err := dmap.Map(t.Context(), sized(5000, func(int) int64 { return 3 }), func(_ context.Context, i int) (int, error) { return i, nil },
		dmap.Options{RunID: "r", MaxConcurrency: 2}, dmap.Sink[int](&d))
	require.NoError(t, err)
	require.EqualValues(t, 15_000, stats.Bytes)
	var sum journal.Counts
	for _, c := range d.commits {
		sum.Add(c.Counts)
	}
	require.EqualValues(t, 5000, sum.Calls)
	require.EqualValues(t, 15_000, sum.Bytes)
}
