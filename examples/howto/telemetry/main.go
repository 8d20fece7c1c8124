// Command telemetry reports a run to OpenTelemetry: to the collector that the environment variable
// OTEL_EXPORTER_OTLP_ENDPOINT names, else to its output.
//
//	go run ./examples/howto/telemetry
package main

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"os"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmapotel"
	"github.com/go-dmap/dmap/source"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Print(err)
		os.Exit(dmap.ExitCode(err))
	}
}

func run(ctx context.Context, w io.Writer) error {
	shutdown, err := setUp(ctx, w)
	if err != nil {
		return err
	}
	logger := slog.New(dmapotel.LogHandler(slog.NewTextHandler(os.Stderr, nil)))
	orders := source.Slice([]string{"A1", "A2", "A3", "A4", "A5"})
	_, err = dmap.MapBatch(ctx, orders, batch.Limits{Items: 2}, charge, dmap.Options{
		RunID:          "orders-2026-11-26",
		MaxConcurrency: 1,
		Retry:          dmap.Retry{MaxAttempts: 2},
		Tolerance:      dmap.Tolerance{Count: 1},
		Logger:         logger,
		Observer:       dmapotel.Observer(dmapotel.Options{}),
	})
	return errors.Join(err, shutdown(ctx))
}

// charge charges orders. The card of A3 has expired.
func charge(ctx context.Context, orders []dmap.Item[string]) ([]string, error) {
	_, span := otel.Tracer("orders").Start(ctx, "POST /charges") // as an instrumented HTTP client does
	defer span.End()
	receipts, failed := make([]string, len(orders)), batch.Errors{}
	for i, order := range orders {
		if order.Value == "A3" {
			failed[i] = errors.New("card expired")
		}
		receipts[i] = "receipt for " + order.Value
	}
	return receipts, failed.Err()
}

// setUp registers providers with package otel, as a program does that uses OpenTelemetry already.
func setUp(ctx context.Context, w io.Writer) (shutdown func(context.Context) error, err error) {
	spans := sdktrace.WithSyncer(printer{w})
	var metrics sdkmetric.Exporter = printer{w}
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" {
		traces, err := otlptracehttp.New(ctx)
		if err != nil {
			return nil, err
		}
		if metrics, err = otlpmetrichttp.New(ctx); err != nil {
			return nil, err
		}
		spans = sdktrace.WithBatcher(traces)
	}
	tracers := sdktrace.NewTracerProvider(spans)
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metrics)))
	otel.SetTracerProvider(tracers)
	otel.SetMeterProvider(meters)
	return func(ctx context.Context) error { return errors.Join(tracers.Shutdown(ctx), meters.Shutdown(ctx)) }, nil
}
