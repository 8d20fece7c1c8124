package dmap_test

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

// secondSink takes a second for each Write.
type secondSink[R any] struct{}

func (secondSink[R]) Write(context.Context, []dmap.Result[R]) error {
	time.Sleep(time.Second)
	return nil
}
func (secondSink[R]) Flush(context.Context) error { return nil }

func TestTimesSumTheWaitsForSourceFunctionAndSinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := source.Seq(func(yield func(int) bool) {
			for i := range 10 {
				time.Sleep(2 * time.Second)
				if !yield(i) {
					return
				}
			}
		})
		fn := func(_ context.Context, i int) (int, error) {
			time.Sleep(time.Duration(1+i) * time.Second)
			return i, nil
		}
		run, err := dmap.Start(t.Context(), slow, fn, dmap.Options{MaxConcurrency: 100}, secondSink[int]{})
		require.NoError(t, err)
		_, err = run.Wait()
		require.NoError(t, err)
		times := run.Times()
		require.Equal(t, int64(10), times.Calls.Count)
		require.Equal(t, 55*time.Second, times.Calls.Sum)
		require.Equal(t, 10*time.Second, times.Sinks)
		require.Equal(t, 20*time.Second, times.Read)
		require.InDelta(t, 5, times.Calls.Quantile(0.5).Seconds(), 5.0/16)
		require.InDelta(t, 10, times.Calls.Quantile(1).Seconds(), 10.0/16)
	})
}

func TestTimesOfBatchesCountEachCallOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fn := func(_ context.Context, items []dmap.Item[int]) ([]int, error) {
			time.Sleep(time.Second)
			return make([]int, len(items)), nil
		}
		run, err := dmap.StartBatch(t.Context(), source.Slice(make([]int, 100)), batch.Limits{Items: 10}, fn, dmap.Options{MaxConcurrency: 5})
		require.NoError(t, err)
		_, err = run.Wait()
		require.NoError(t, err)
		times := run.Times()
		require.Equal(t, int64(10), times.Calls.Count)
		require.Equal(t, 10*time.Second, times.Calls.Sum)
	})
}

func TestInFlightCountsTheItemsOfBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fn := func(_ context.Context, items []dmap.Item[int]) ([]int, error) {
			time.Sleep(time.Second)
			return make([]int, len(items)), nil
		}
		run, err := dmap.StartBatch(t.Context(), source.Slice(make([]int, 25)), batch.Limits{Items: 10}, fn, dmap.Options{MaxConcurrency: 5})
		require.NoError(t, err)
		time.Sleep(time.Second / 2)
		items := 0
		for _, c := range run.InFlight(10) {
			items += c.Items
		}
		require.Equal(t, 25, items)
		_, err = run.Wait()
		require.NoError(t, err)
		run, err = dmap.Start(t.Context(), source.Slice(make([]int, 3)), func(context.Context, int) (int, error) { time.Sleep(time.Second); return 0, nil }, dmap.Options{})
		require.NoError(t, err)
		time.Sleep(time.Second / 2)
		require.Equal(t, 1, run.InFlight(1)[0].Items)
		_, err = run.Wait()
		require.NoError(t, err)
	})
}

func TestWrittenIsTheSumOfWhatSinksSay(t *testing.T) {
	run, err := dmap.Start(t.Context(), source.Slice(make([]int, 3)), double, dmap.Options{}, dmap.Sink[int](said(5)), said(7), said(-1), discards{})
	require.NoError(t, err)
	_, err = run.Wait()
	require.NoError(t, err)
	require.EqualValues(t, 12, run.Written())
}

// said is a sink that says it has stored some bytes. A negative one panics.
type said int64

func (said) Write(context.Context, []dmap.Result[int]) error { return nil }
func (said) Flush(context.Context) error                     { return nil }
func (s said) Written() int64 {
	if s < 0 {
		panic("in Written")
	}
	return int64(s)
}

func TestQuantilesAreWithinASixteenthOfTheTimes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			waits := make([]time.Duration, 1+random.IntN(20))
			for i := range waits {
				waits[i] = time.Duration(math.Exp(random.Float64() * 40))
			}
			fn := func(_ context.Context, d time.Duration) (int, error) { time.Sleep(d); return 0, nil }
			run, err := dmap.Start(t.Context(), source.Slice(waits), fn, dmap.Options{MaxConcurrency: 100})
			require.NoError(t, err)
			_, err = run.Wait()
			require.NoError(t, err)
			calls := run.Times().Calls
			slices.Sort(waits)
			for i, want := range waits {
				got := calls.Quantile(float64(i+1) / float64(len(waits)))
				require.InEpsilon(t, want, got, 1.0/16, "%v", waits)
			}
			require.Zero(t, calls.Since(calls))
		})
	}
	require.Zero(t, dmap.CallTimes{}.Quantile(0.5))
	require.Zero(t, dmap.CallTimes{}.Quantile(math.NaN()))
}

func TestInFlightReturnsTheLongestCallsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var started dmap.LiveRun
		watch := &dmap.Observer{RunStarted: func(ctx context.Context, e dmap.RunStart) context.Context {
			started = e.Run
			return ctx
		}}
		fn := func(_ context.Context, i int) (int, error) {
			time.Sleep(time.Duration(i) * time.Second)
			return 0, nil
		}
		opts := dmap.Options{MaxConcurrency: 3, Observer: watch}
		run, err := dmap.Start(t.Context(), source.Slice([]int{10, 20, 30, 40}), fn, opts)
		require.NoError(t, err)
		time.Sleep(15 * time.Second) // the last call began after 10 s
		calls := started.InFlight(10)
		var ages []string
		for _, c := range calls {
			ages = append(ages, strconv.FormatInt(c.Index, 10)+" "+c.Age.String())
		}
		slices.Sort(ages[:2]) // of the same age
		require.Equal(t, []string{"1 15s", "2 15s", "3 5s"}, ages)
		require.Equal(t, 1, calls[0].Attempt)
		require.Len(t, started.InFlight(1), 1)
		require.Empty(t, started.InFlight(0))
		require.Empty(t, started.InFlight(-1))
		require.NoError(t, started.SetMaxConcurrency(1))
		require.Equal(t, 1, run.Stats().Limit)
		_, err = run.Wait()
		require.NoError(t, err)
		require.Empty(t, run.InFlight(10))
	})
}
