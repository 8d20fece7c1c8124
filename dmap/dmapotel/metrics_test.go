package dmapotel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
)

// waiting is a run whose calls wait until release is called.
func waiting(t *testing.T, n int, opts dmap.Options, sinks ...dmap.Sink[int]) (run *dmap.Run, release func()) {
	t.Helper()
	released := make(chan struct{})
	run, err := dmap.Start(t.Context(), numbers(n), func(_ context.Context, i int) (int, error) {
		<-released
		return i, nil
	}, opts, sinks...)
	require.NoError(t, err)
	release = sync.OnceFunc(func() { close(released) })
	t.Cleanup(release)
	return run, release
}

func bucket(t testing.TB) *blob.Bucket {
	b := memblob.OpenBucket(nil)
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func TestMetricsHaveTheirNamesUnitsAndBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		to := sink.Bucket[int](bucket(t), "out")
		// one batch run, one run of items in which all kinds of events happen, and one that works
		_, err := inBatches(t, 10, dmap.Options{Observer: b.observer()}, func(context.Context, []dmap.Item[int]) error { return nil })
		require.NoError(t, err)
		_, err = dmap.Map(t.Context(), keyed("a", "b"), func(ctx context.Context, key string) (int, error) {
			time.Sleep(2 * time.Second)
			if info, _ := dmap.InfoFrom(ctx); info.Attempt == 1 && key == "a" {
				return 0, errBoom
			}
			return 1, nil
		}, dmap.Options{RunID: "r", Retry: dmap.Retry{MaxAttempts: 2, Initial: 1}, Observer: b.observer()}, to)
		require.NoError(t, err)
		run, release := waiting(t, 3, dmap.Options{RunID: "s", Observer: b.observer()}, sink.Bucket[int](bucket(t), "out"))
		synctest.Wait()
		require.NoError(t, run.SetMaxConcurrency(2))
		time.Sleep(3 * time.Second)
		got := b.metrics(t)
		var table []string
		for name, m := range got {
			kind := ""
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				kind = fmt.Sprintf("sum monotonic=%v %v", d.IsMonotonic, d.Temporality)
			case metricdata.Gauge[int64], metricdata.Gauge[float64]:
				kind = "gauge"
			case metricdata.Histogram[float64]:
				kind = "histogram"
				require.Equal(t, []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 300}, d.DataPoints[0].Bounds)
			}
			require.NotEmpty(t, m.Description)
			table = append(table, fmt.Sprint(name, " ", m.Unit, " ", kind))
		}
		slices.Sort(table)
		require.Equal(t, []string{
			"dmap.batch.duration s histogram",
			"dmap.checkpoint.age s gauge",
			"dmap.concurrency.limit {item} gauge",
			"dmap.item.duration s histogram",
			"dmap.item.retries {retry} sum monotonic=true CumulativeTemporality",
			"dmap.items {item} sum monotonic=true CumulativeTemporality",
			"dmap.items.inflight {item} sum monotonic=false CumulativeTemporality",
			"dmap.sink.written By sum monotonic=true CumulativeTemporality",
			"dmap.source.read By sum monotonic=true CumulativeTemporality",
		}, table)
		require.Equal(t, map[string]float64{"": 6}, sums(t, got[MetricRead]), "two items of 3 bytes, once")
		require.Equal(t, map[string]float64{"": float64(to.Written())}, sums(t, got[MetricWritten]))
		require.Positive(t, to.Written())
		require.Equal(t, map[string]float64{"": 3}, sums(t, got[MetricInFlight]))
		require.Equal(t, map[string]float64{"": 2}, sums(t, got[MetricLimit]))
		require.Equal(t, map[string]float64{"error.type=error ": 1}, sums(t, got[MetricRetries]))
		require.Equal(t, map[string]float64{"outcome=succeeded ": 2, "outcome=failed ": 1}, sums(t, got[MetricItemDuration]))
		h := got[MetricItemDuration].Data.(metricdata.Histogram[float64])
		for _, p := range h.DataPoints {
			require.InDelta(t, 2*float64(p.Count), p.Sum, 1e-6, "seconds")
		}
		release()
		_, err = run.Wait()
		require.NoError(t, err)
	})
}

func TestItemsAreCountedAsStatsCountsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		fn := func(ctx context.Context, i int) (int, error) {
			switch i % 10 {
			case 1:
				return 0, errBoom
			case 2:
				<-ctx.Done()
				return 0, ctx.Err()
			case 3:
				return 0, dmap.ErrSkip
			case 4:
				panic("four")
			}
			return i, nil
		}
		stats, err := dmap.Map(t.Context(), numbers(1000), fn, dmap.Options{
			Timeout: time.Second, Retry: quick, Tolerance: dmap.Tolerance{Percentage: tolerant}, Observer: b.observer(),
		})
		require.NoError(t, err)
		require.EqualValues(t, 600, stats.Succeeded)
		require.Equal(t, map[string]float64{
			"outcome=succeeded ": 600, "outcome=skipped ": 100, "outcome=failed error.type=error ": 100,
			"outcome=timed_out error.type=timeout ": 100, "outcome=failed error.type=panic ": 100,
		}, sums(t, b.metrics(t)[MetricItems]))
		require.Equal(t, map[string]float64{
			"outcome=succeeded ": 600, "outcome=skipped ": 100, "outcome=failed ": 200, "outcome=timed_out ": 100,
		}, sums(t, b.metrics(t)[MetricItemDuration]))
	})
}

// Two readers of one provider see the same counts, however often they read.
func TestReadersOfOneProviderSeeTheSameCounts(t *testing.T) {
	one, two := sdkmetric.NewManualReader(), sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(one), sdkmetric.WithReader(two))
	opts := Options{MeterProvider: provider, TracerProvider: tracenoop.NewTracerProvider()}
	var run dmap.LiveRun
	o := Observer(opts)
	started := &dmap.Observer{RunStarted: func(ctx context.Context, e dmap.RunStart) context.Context { run = e.Run; return ctx }}
	read := func(r *sdkmetric.ManualReader) map[string]float64 {
		b := &backend{reader: r}
		return sums(t, b.metrics(t)[MetricItems])
	}
	_, err := dmap.Map(t.Context(), numbers(100), func(_ context.Context, i int) (int, error) {
		if i%10 == 9 {
			done := float64(run.Stats().Succeeded)
			require.GreaterOrEqual(t, read(one)["outcome=succeeded "], done)
			require.GreaterOrEqual(t, read(two)["outcome=succeeded "], done)
		}
		return i, nil
	}, dmap.Options{MaxConcurrency: 1, Observer: dmap.JoinObservers(started, o)})
	require.NoError(t, err)
	require.Equal(t, map[string]float64{"outcome=succeeded ": 100}, read(one))
	require.Equal(t, map[string]float64{"outcome=succeeded ": 100}, read(two))
	require.NoError(t, provider.Shutdown(t.Context()))
}

func TestACanceledRunAbortsItsCallsAndItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		run, err := dmap.Start(t.Context(), numbers(10), func(ctx context.Context, i int) (int, error) {
			if i == 0 {
				return i, nil
			}
			<-ctx.Done()
			return 0, ctx.Err()
		}, dmap.Options{MaxConcurrency: 2, Observer: b.observer()})
		require.NoError(t, err)
		time.Sleep(time.Second)
		run.Cancel(nil)
		stats, err := run.Wait()
		require.ErrorIs(t, err, dmap.ErrCanceled)
		require.Equal(t, map[string]float64{"outcome=succeeded ": 1, "outcome=aborted ": float64(stats.Pending)}, sums(t, b.metrics(t)[MetricItems]))
		require.Equal(t, map[string]float64{"outcome=succeeded ": 1, "outcome=aborted ": 2}, sums(t, b.metrics(t)[MetricItemDuration]))
	})
}

func TestAResumedRunCountsOnlyWhatThisProcessDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, again := newBackend(t), newBackend(t)
		store := bucket(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		opts := dmap.Options{RunID: "r", MaxConcurrency: 1, Observer: b.observer()}
		_, err := dmap.Map(ctx, numbers(10), func(_ context.Context, i int) (int, error) {
			if i == 3 {
				cancel(dmap.ErrSuspended)
				synctest.Wait()
			}
			return i, nil
		}, opts, sink.Bucket[int](store, "out"))
		require.ErrorIs(t, err, dmap.ErrSuspended)
		require.Equal(t, map[string]float64{"outcome=succeeded ": 4}, sums(t, b.metrics(t)[MetricItems]), "pending items of an open run are not aborted")

		opts.Observer = again.observer()
		opts.CommitEvery = time.Minute // no record of this process is due
		released := make(chan struct{})
		run, err := dmap.Start(t.Context(), numbers(10), func(_ context.Context, i int) (int, error) { <-released; return i, nil }, opts, sink.Bucket[int](store, "out"))
		require.NoError(t, err)
		time.Sleep(7 * time.Second)
		require.Equal(t, map[string]float64{"": 7}, sums(t, again.metrics(t)[MetricCheckpointAge]), "since the process began")
		close(released)
		_, err = run.Wait()
		require.NoError(t, err)
		require.Equal(t, map[string]float64{"outcome=succeeded ": 6}, sums(t, again.metrics(t)[MetricItems]))
		require.Equal(t, true, attributes(again.one(t, SpanRun).Attributes())[AttrResumed])
	})
}

func TestTheAgeOfACheckpointIsThatOfTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		for _, id := range []string{"first", "second"} {
			released := make(chan struct{})
			run, err := dmap.Start(t.Context(), numbers(2), func(_ context.Context, i int) (int, error) {
				if i == 1 {
					<-released
				}
				return i, nil
			}, dmap.Options{RunID: id, CommitEvery: time.Second, MaxConcurrency: 2, Observer: b.observer()}, sink.Bucket[int](bucket(t), "out"))
			require.NoError(t, err)
			time.Sleep(10 * time.Second)
			defer func() {
				close(released)
				_, err := run.Wait()
				require.NoError(t, err)
			}()
		}
		age := sums(t, b.metrics(t)[MetricCheckpointAge])[""]
		require.InDelta(t, 19, age, 1, "the first run committed a second after its begin, 20 s ago")
	})
}

// Each run of a process has its own observer, or all have one: gauges are those of the process.
func TestGaugesAddUpTheRunsOfTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		shared := b.observer()
		one, releaseOne := waiting(t, 10, dmap.Options{MaxConcurrency: 3, Observer: shared})
		two, releaseTwo := waiting(t, 10, dmap.Options{MaxConcurrency: 5, Observer: b.observer()})
		released := make(chan struct{})
		three, err := dmap.StartBatch(t.Context(), numbers(100), batch.Limits{Items: 10}, func(_ context.Context, items []dmap.Item[int]) ([]int, error) {
			<-released
			return make([]int, len(items)), nil
		}, dmap.Options{MaxConcurrency: 2, Observer: shared})
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, map[string]float64{"": 3 + 5 + 20}, sums(t, b.metrics(t)[MetricInFlight]))
		require.Equal(t, map[string]float64{"": 10}, sums(t, b.metrics(t)[MetricLimit]))
		releaseOne()
		_, err = one.Wait()
		require.NoError(t, err)
		require.Equal(t, map[string]float64{"": 25}, sums(t, b.metrics(t)[MetricInFlight]))
		releaseTwo()
		close(released)
		for _, run := range []*dmap.Run{two, three} {
			_, err = run.Wait()
			require.NoError(t, err)
		}
		require.Equal(t, map[string]float64{"outcome=succeeded ": 120}, sums(t, b.metrics(t)[MetricItems]))
		require.NotContains(t, b.metrics(t), MetricInFlight)
		require.Empty(t, providersInUse.all, "nothing of ended runs remains")
	})
}

// The engine passes no events on after a function that does not return: RunEnded is lost. The run
// leaves nothing nevertheless, whether its metrics are read or not.
func TestARunWhoseEndIsLostLeavesNothing(t *testing.T) {
	for _, read := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBackend(t)
			release := make(chan struct{})
			blocks := &dmap.Observer{PhaseChanged: func(context.Context, dmap.PhaseEvent) { <-release }}
			run, err := dmap.Start(t.Context(), numbers(10), func(_ context.Context, i int) (int, error) {
				if i == 7 {
					return 0, errBoom
				}
				return i, nil
			}, dmap.Options{RunID: "lost", MaxConcurrency: 1, Observer: dmap.JoinObservers(b.observer(), blocks)})
			require.NoError(t, err)
			if read {
				require.NotEmpty(t, b.metrics(t))
			}
			_, err = run.Wait()
			require.ErrorIs(t, err, errBoom)
			synctest.Wait()
			require.Empty(t, providersInUse.all, "the callback is unregistered")
			span := attributes(b.one(t, SpanRun).Attributes())
			require.Equal(t, "ended", span[AttrState])
			require.EqualValues(t, 7, span[AttrSucceeded])
			require.Equal(t, codes.Error, b.one(t, SpanRun).Status().Code)
			require.NotContains(t, b.metrics(t), MetricInFlight)
			items := sums(t, b.metrics(t)[MetricItems])
			require.Equal(t, map[string]float64{"outcome=succeeded ": 7, "outcome=failed error.type=error ": 1, "outcome=aborted ": 2}, items)
			close(release)
		})
	}
}

// The end of a run counts once, also if its event comes while the run is over already.
func TestARunEndsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		o := b.observer()
		ended := o.RunEnded
		o.RunEnded = func(ctx context.Context, e dmap.RunEnd) {
			time.Sleep(20 * time.Second) // the engine gives it up
			ended(ctx, e)
		}
		_, err := dmap.Map(t.Context(), numbers(10), double, dmap.Options{Observer: o})
		require.NoError(t, err)
		time.Sleep(time.Minute)
		b.one(t, SpanRun)
		require.Empty(t, providersInUse.all)
		require.Equal(t, map[string]float64{"outcome=succeeded ": 10}, sums(t, b.metrics(t)[MetricItems]))
	})
}

func TestProvidersThatDoNothingSaveEvents(t *testing.T) {
	off := Observer(Options{TracerProvider: tracenoop.NewTracerProvider(), MeterProvider: metricnoop.NewMeterProvider()})
	require.Nil(t, off.CallStarted)
	require.Nil(t, off.CallEnded)
	require.Nil(t, off.RetryScheduled)
	metrics := Observer(Options{TracerProvider: tracenoop.NewTracerProvider()})
	require.Nil(t, metrics.CallStarted)
	require.NotNil(t, metrics.CallEnded)
	traces := Observer(Options{MeterProvider: metricnoop.NewMeterProvider(), Spans: SpanRuns})
	require.Nil(t, traces.CallEnded)
	for _, o := range []*dmap.Observer{off, metrics, traces} {
		_, err := dmap.Map(t.Context(), numbers(10), double, dmap.Options{Observer: o})
		require.NoError(t, err)
	}
}

func TestTheProvidersOfTheProgramAreTheDefault(t *testing.T) {
	o := Observer(Options{}) // before they are registered
	_, err := dmap.Map(t.Context(), numbers(10), double, dmap.Options{Observer: o})
	require.NoError(t, err)
	b := newBackend(t)
	oldTraces, oldMeters := otel.GetTracerProvider(), otel.GetMeterProvider()
	otel.SetTracerProvider(b.traces)
	otel.SetMeterProvider(b.meters)
	defer func() {
		otel.SetTracerProvider(oldTraces)
		otel.SetMeterProvider(oldMeters)
	}()
	_, err = dmap.Map(t.Context(), numbers(10), double, dmap.Options{Observer: o})
	require.NoError(t, err)
	require.Equal(t, map[string]float64{"outcome=succeeded ": 10}, sums(t, b.metrics(t)[MetricItems]))
	b.one(t, SpanRun)
}

func TestOutcomesOfCalls(t *testing.T) {
	late := fmt.Errorf("late: %w", context.DeadlineExceeded)
	for name, c := range map[string]struct {
		err         error
		interrupted bool
		want        string
	}{
		"success":                   {nil, false, OutcomeSucceeded},
		"success at the end":        {nil, true, OutcomeSucceeded},
		"failure":                   {errBoom, false, OutcomeFailed},
		"own canceled context":      {context.Canceled, false, OutcomeFailed},
		"interrupted":               {context.Canceled, true, OutcomeAborted},
		"timeout":                   {late, false, OutcomeTimedOut},
		"skipped":                   {fmt.Errorf("no: %w", dmap.ErrSkip), true, OutcomeSkipped},
		"held":                      {dmap.Hold("ask"), false, OutcomeHeld},
		"batch, some failed":        {batch.Errors{3: errBoom, 1: dmap.ErrSkip}, false, OutcomeFailed},
		"batch, first is late":      {batch.Errors{3: errBoom, 2: late}, false, OutcomeTimedOut},
		"batch, interrupted":        {batch.Errors{3: context.Canceled}, true, OutcomeAborted},
		"batch, nothing has failed": {batch.Errors{1: dmap.ErrSkip, 2: dmap.Hold("ask"), 3: nil}, false, OutcomeSucceeded},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, callOutcome(c.err, c.interrupted)) })
	}
}

func TestKindsOfSourcesAreFew(t *testing.T) {
	for name, want := range map[string]string{
		"objects in/*.json": "objects", "objects": "objects", "csv a.csv": "csv", "json lines a": "json_lines", "json array a": "json_array",
		"slice of 12": "slice", "sequence": "sequence", "keys of sequence": "keys", "failures of a/manifest.json": "failures",
		"pending of x": "pending", "concat of (csv a) and (csv b)": "concat", "contents of objects": "contents",
		"filter of transform of csv a": "csv", "*main.table": "other", "": "other", "csvfoo": "other", "filter of ": "other",
		strings.Repeat("filter of ", 1000) + "csv a": "csv",
	} {
		require.Equal(t, want, sourceKind(name), name)
	}
}

func TestErrorTypesAreBounded(t *testing.T) {
	b := boundedTypes{own: map[string]struct{}{}}
	seen := map[string]bool{}
	for i := range 1000 {
		seen[b.of(classed(fmt.Sprint("class ", i)))] = true
	}
	require.Len(t, seen, maxOwnTypes+1)
	require.True(t, seen[otherType])
	require.Equal(t, "class 0", b.of(classed("class 0")))
	require.Equal(t, "timeout", b.of(context.DeadlineExceeded), "a class of dmap is always known")
	require.Equal(t, otherType, b.of(classed("late")))
}

type classed string

func (c classed) Error() string { return "of class " + string(c) }
func (c classed) Class() string { return string(c) }

func TestTextsForAttributesAreCleanAndShort(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "": "", "a\x00b\x1b[2J": "a\ufffdb\ufffd[2J", "\xff\xfe": "\ufffd", strings.Repeat("é", 64): strings.Repeat("é", 32),
		"x" + strings.Repeat("é", 64): "x" + strings.Repeat("é", 31),
	} {
		require.Equal(t, want, cleanName(in, 64))
	}
	require.Equal(t, "timeout", errorType(errors.Join(errBoom, context.DeadlineExceeded)))
}
