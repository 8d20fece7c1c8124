package dmapotel

import (
	"context"
	"fmt"
	"iter"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
)

// distinct yields n items, each with a key of its own.
type distinct int

func (n distinct) Items(context.Context) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		for i := range int(n) {
			if !yield(dmap.Item[int]{Key: fmt.Sprintf("customer-%d", i), Offset: int64(i), Value: i, Size: 10, Next: dmap.Cursor{Offset: int64(i + 1)}}, nil) {
				return
			}
		}
	}
}

// series counts the series of a process as Prometheus does: a histogram has one for each bucket,
// its sum and its count.
func series(all map[string]metricdata.Metrics) (sets, series int) {
	for _, m := range all {
		switch d := m.Data.(type) {
		case metricdata.Sum[int64]:
			sets, series = sets+len(d.DataPoints), series+len(d.DataPoints)
		case metricdata.Gauge[int64]:
			sets, series = sets+len(d.DataPoints), series+len(d.DataPoints)
		case metricdata.Gauge[float64]:
			sets, series = sets+len(d.DataPoints), series+len(d.DataPoints)
		case metricdata.Histogram[float64]:
			sets, series = sets+len(d.DataPoints), series+len(d.DataPoints)*(len(d.DataPoints[0].BucketCounts)+2)
		}
	}
	return sets, series
}

// Every tenth item fails, with a class and a text of its own, and every third run has an ID of its
// own. DMAP_LONG=1: a million items.
func TestSeriesStayFewWithAMillionKeys(t *testing.T) {
	n, runs := 20_000, 10
	if os.Getenv("DMAP_LONG") != "" {
		n, runs = 1_000_000, 100
	}
	b := newBackend(t)
	opts := b.options()
	opts.TracerProvider = tracenoop.NewTracerProvider()
	for r := range runs {
		stats, err := dmap.Map(t.Context(), dmap.Source[int](distinct(n/runs)), func(_ context.Context, i int) (int, error) {
			switch i % 10 {
			case 1:
				return 0, classed(fmt.Sprintf("class-%d-%d", r, i))
			case 2:
				return 0, context.DeadlineExceeded
			case 3:
				return 0, dmap.ErrSkip
			}
			return i, nil
		}, dmap.Options{
			RunID: fmt.Sprintf("run-%d", r), MaxConcurrency: 8, Retry: dmap.Retry{MaxAttempts: 2, Initial: 1},
			Tolerance: dmap.Tolerance{Percentage: tolerant}, Observer: Observer(opts),
		})
		require.NoError(t, err)
		require.EqualValues(t, n/runs, stats.Read)
	}
	_, err := dmap.MapBatch(t.Context(), numbers(100), batch.Limits{Items: 10}, func(_ context.Context, items []dmap.Item[int]) ([]int, error) {
		return make([]int, len(items)), nil
	}, dmap.Options{Observer: Observer(opts)})
	require.NoError(t, err)
	all := b.metrics(t)
	sets, prometheus := series(all)
	t.Logf("%d keys, %d runs: %d attribute sets, %d series", n, runs, sets, prometheus)
	require.Less(t, prometheus, 200)
	require.Less(t, sets, 100)
	text := fmt.Sprint(all)
	require.NotContains(t, text, "customer-")
	require.NotContains(t, text, "run-")
	require.NotContains(t, text, "of class")
	require.LessOrEqual(t, strings.Count(text, "class-"), 16*6)
}
