package dmapotel

import (
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// Options configures Observer. The zero value is valid.
type Options struct {
	// TracerProvider makes the spans. nil: otel.GetTracerProvider when a run starts. A provider of
	// the package trace/noop saves the cost of events that only spans need.
	TracerProvider trace.TracerProvider
	// MeterProvider makes the metrics. nil: otel.GetMeterProvider when a run starts. A provider of
	// the package metric/noop saves the cost of events that only metrics need.
	MeterProvider metric.MeterProvider
	// Spans says which spans are made.
	Spans Spans
}

// Spans says which spans a run makes.
type Spans int

// The levels of spans.
const (
	SpanBatches Spans = iota // of runs, and of calls of MapBatch
	SpanRuns                 // of runs only
	SpanItems                // of runs and of all calls: in Map that is one for each item
)

// noTraces reports whether no spans are wanted.
func (o Options) noTraces() bool {
	_, off := o.TracerProvider.(tracenoop.TracerProvider)
	return off
}

// noMetrics reports whether no metrics are wanted.
func (o Options) noMetrics() bool {
	_, off := o.MeterProvider.(metricnoop.MeterProvider)
	return off
}

// tracer returns the tracer of a run that starts.
func (o Options) tracer() trace.Tracer {
	from := o.TracerProvider
	if from == nil {
		from = otel.GetTracerProvider()
	}
	return from.Tracer(Scope, trace.WithInstrumentationVersion(moduleVersion()))
}

// meters returns the provider of the metrics of a run that starts.
func (o Options) meters() metric.MeterProvider {
	if o.MeterProvider != nil {
		return o.MeterProvider
	}
	return otel.GetMeterProvider()
}
