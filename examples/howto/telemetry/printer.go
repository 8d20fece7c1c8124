package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// printer is an exporter that prints a line for each span that has ended, and at the end one for
// each metric.
type printer struct{ w io.Writer }

// ExportSpans prints spans with the names of their events.
func (p printer) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, s := range spans {
		about := "has a parent"
		if !s.Parent().IsValid() {
			about = "is a root"
		}
		for _, e := range s.Events() {
			about += ", event " + e.Name
		}
		fmt.Fprintln(p.w, "span", s.Name(), about)
	}
	return nil
}

// Export prints metrics with their units.
func (p printer) Export(_ context.Context, all *metricdata.ResourceMetrics) error {
	for _, scope := range all.ScopeMetrics {
		slices.SortFunc(scope.Metrics, func(a, b metricdata.Metrics) int { return strings.Compare(a.Name, b.Name) })
		for _, m := range scope.Metrics {
			fmt.Fprintln(p.w, "metric", m.Name, m.Unit)
		}
	}
	return nil
}

// Temporality is that of the SDK.
func (printer) Temporality(k sdkmetric.InstrumentKind) metricdata.Temporality {
	return sdkmetric.DefaultTemporalitySelector(k)
}

// Aggregation is that of the SDK.
func (printer) Aggregation(k sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	return sdkmetric.DefaultAggregationSelector(k)
}

// ForceFlush has nothing to do.
func (printer) ForceFlush(context.Context) error { return nil }

// Shutdown has nothing to do.
func (printer) Shutdown(context.Context) error { return nil }
