package dmapotel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBoom = errors.New("boom")

// backend keeps in memory what the SDK would export.
type backend struct {
	spans  *tracetest.SpanRecorder
	reader *sdkmetric.ManualReader
	traces *sdktrace.TracerProvider
	meters *sdkmetric.MeterProvider
}

func newBackend(t testing.TB) *backend {
	b := &backend{spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader()}
	b.traces = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(b.spans))
	b.meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(b.reader))
	t.Cleanup(func() {
		_ = b.traces.Shutdown(context.Background())
		_ = b.meters.Shutdown(context.Background())
	})
	return b
}

func (b *backend) options() Options {
	return Options{TracerProvider: b.traces, MeterProvider: b.meters}
}

func (b *backend) observer() *dmap.Observer { return Observer(b.options()) }

// named returns the ended spans with a name, in the order of their end.
func (b *backend) named(name string) (list []sdktrace.ReadOnlySpan) {
	for _, s := range b.spans.Ended() {
		if s.Name() == name {
			list = append(list, s)
		}
	}
	return list
}

// one returns the only ended span with a name.
func (b *backend) one(t *testing.T, name string) sdktrace.ReadOnlySpan {
	t.Helper()
	list := b.named(name)
	require.Len(t, list, 1, name)
	return list[0]
}

// attributes are those of a span or an event, by name.
func attributes(list []attribute.KeyValue) map[string]any {
	out := make(map[string]any, len(list))
	for _, kv := range list {
		out[string(kv.Key)] = kv.Value.AsInterface()
	}
	return out
}

// metrics are the metrics of the only scope, by name.
func (b *backend) metrics(t *testing.T) map[string]metricdata.Metrics {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, b.reader.Collect(t.Context(), &all))
	out := make(map[string]metricdata.Metrics)
	if len(all.ScopeMetrics) == 0 {
		return out
	}
	require.Len(t, all.ScopeMetrics, 1)
	require.Equal(t, Scope, all.ScopeMetrics[0].Scope.Name)
	for _, m := range all.ScopeMetrics[0].Metrics {
		require.NotContains(t, out, m.Name)
		out[m.Name] = m
	}
	return out
}

// sums are the values of a metric by its attributes without source.kind and engine, such as
// "outcome=failed error.type=timeout"; of a histogram the number of values.
func sums(t *testing.T, m metricdata.Metrics) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	add := func(set attribute.Set, v float64) {
		name := ""
		for _, kv := range set.ToSlice() {
			if kv.Key != AttrSourceKind && kv.Key != AttrEngine {
				name = fmt.Sprintf("%s=%s %s", kv.Key, kv.Value.AsString(), name)
			}
		}
		out[name] += v
	}
	switch d := m.Data.(type) {
	case nil:
	case metricdata.Sum[int64]:
		for _, p := range d.DataPoints {
			add(p.Attributes, float64(p.Value))
		}
	case metricdata.Gauge[int64]:
		for _, p := range d.DataPoints {
			add(p.Attributes, float64(p.Value))
		}
	case metricdata.Gauge[float64]:
		for _, p := range d.DataPoints {
			add(p.Attributes, p.Value)
		}
	case metricdata.Histogram[float64]:
		for _, p := range d.DataPoints {
			add(p.Attributes, float64(p.Count))
		}
	default:
		t.Fatalf("%T", d)
	}
	return out
}

func numbers(n int) dmap.Source[int] {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return source.Slice(list)
}

func double(_ context.Context, i int) (int, error) { return 2 * i, nil }

func sortedNames(spans []sdktrace.ReadOnlySpan) (names []string) {
	for _, s := range spans {
		names = append(names, s.Name())
	}
	slices.Sort(names)
	return names
}

const tolerant = 100 // percent

var quick = dmap.Retry{MaxAttempts: 1, Initial: time.Millisecond}
