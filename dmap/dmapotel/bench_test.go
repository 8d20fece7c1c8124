package dmapotel

import (
	"fmt"
	"testing"

	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/go-dmap/dmap/dmap"
)

// BenchmarkCall measures a call of a function that does nothing, with the SDK and no exporter.
// "alone" has no observer; the differences to it are the costs.
func BenchmarkCall(b *testing.B) {
	backend := newBackend(b)
	dropping := sdktrace.NewTracerProvider() // sampled, exported nowhere
	unsampled := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
	off := Options{TracerProvider: tracenoop.NewTracerProvider(), MeterProvider: metricnoop.NewMeterProvider()}
	metrics, unsampledItems, items := off, off, off
	metrics.MeterProvider = backend.meters
	unsampledItems.TracerProvider, unsampledItems.Spans = unsampled, SpanItems
	items.TracerProvider, items.Spans = dropping, SpanItems
	for _, c := range []struct {
		name string
		o    *dmap.Observer
	}{
		{"alone", nil},
		{"metrics", Observer(metrics)},
		{"metrics_and_runs", Observer(Options{TracerProvider: dropping, MeterProvider: backend.meters, Spans: SpanRuns})},
		{"default", Observer(Options{TracerProvider: dropping, MeterProvider: backend.meters})},
		{"unsampled_items", Observer(unsampledItems)},
		{"items", Observer(items)},
	} {
		b.Run(fmt.Sprint("observer=", c.name), func(b *testing.B) {
			b.ReportAllocs()
			if _, err := dmap.Map(b.Context(), numbers(b.N), double, dmap.Options{MaxConcurrency: 2, Observer: c.o}); err != nil {
				b.Fatal(err)
			}
		})
	}
}
