package dmapotel

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
)

// collector is a receiver of OTLP over HTTP, as the OpenTelemetry Collector is one.
type collector struct {
	*httptest.Server
	mu      sync.Mutex // guards the fields below
	spans   []*tracepb.Span
	metrics map[string]*metricspb.Metric // the last of each
	errs    []error
}

func newCollector(t *testing.T) *collector {
	c := &collector{metrics: map[string]*metricspb.Metric{}}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		in, _ = gzip.NewReader(r.Body)
	}
	body, err := io.ReadAll(in)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		err = c.receive(r.URL.Path, body)
	}
	if err != nil {
		c.errs = append(c.errs, err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (c *collector) receive(path string, body []byte) error {
	switch path {
	case "/v1/traces":
		var m collectortrace.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &m); err != nil {
			return err
		}
		for _, r := range m.ResourceSpans {
			for _, s := range r.ScopeSpans {
				if s.Scope.Name != Scope {
					return fmt.Errorf("scope %q", s.Scope.Name)
				}
				c.spans = append(c.spans, s.Spans...)
			}
		}
	case "/v1/metrics":
		var m collectormetrics.ExportMetricsServiceRequest
		if err := proto.Unmarshal(body, &m); err != nil {
			return err
		}
		for _, r := range m.ResourceMetrics {
			for _, s := range r.ScopeMetrics {
				for _, one := range s.Metrics {
					c.metrics[one.Name] = one
				}
			}
		}
	default:
		return fmt.Errorf("path %q", path)
	}
	return nil
}

// exporting returns an observer that exports to c, and a function that exports the rest.
func exporting(t *testing.T, c *collector, spans Spans) (o *dmap.Observer, flush func()) {
	t.Helper()
	traces, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(c.URL+"/v1/traces"))
	require.NoError(t, err)
	metrics, err := otlpmetrichttp.New(t.Context(), otlpmetrichttp.WithEndpointURL(c.URL+"/v1/metrics"))
	require.NoError(t, err)
	tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(traces, sdktrace.WithMaxQueueSize(1<<16)))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metrics)))
	return Observer(Options{TracerProvider: tracers, MeterProvider: meters, Spans: spans}), func() {
		require.NoError(t, tracers.Shutdown(context.Background()))
		require.NoError(t, meters.Shutdown(context.Background()))
	}
}

// text is all that c has received.
func (c *collector) text() (spans, metrics string) {
	var s, m strings.Builder
	for _, span := range c.spans {
		s.WriteString(protojson.Format(span))
	}
	for _, metric := range c.metrics {
		m.WriteString(protojson.Format(metric))
	}
	return s.String(), m.String()
}

func TestACollectorReceivesTracesAndMetrics(t *testing.T) {
	c := newCollector(t)
	o, flush := exporting(t, c, SpanBatches)
	stats, err := dmap.MapBatch(t.Context(), numbers(100), batch.Limits{Items: 10}, func(_ context.Context, items []dmap.Item[int]) ([]int, error) {
		if items[0].Value == 50 {
			return nil, errBoom
		}
		return make([]int, len(items)), nil
	}, dmap.Options{RunID: "night-2026-11-26", Retry: quick, Tolerance: dmap.Tolerance{Percentage: tolerant}, Observer: o})
	require.NoError(t, err)
	require.EqualValues(t, 90, stats.Succeeded)
	flush()
	require.Empty(t, c.errs)
	byName := map[string][]*tracepb.Span{}
	for _, s := range c.spans {
		byName[s.Name] = append(byName[s.Name], s)
	}
	require.Len(t, byName[SpanRun], 1)
	require.Len(t, byName[SpanBatch], 10)
	run := byName[SpanRun][0]
	require.Len(t, run.Events, 10)
	for _, s := range byName[SpanBatch] {
		require.Equal(t, hex.EncodeToString(run.SpanId), hex.EncodeToString(s.ParentSpanId))
	}
	require.Len(t, c.metrics[MetricBatchDuration].GetHistogram().DataPoints, 2)
	var items int64
	for _, p := range c.metrics[MetricItems].GetSum().DataPoints {
		items += p.GetAsInt()
	}
	require.EqualValues(t, 100, items)
	spans, metrics := c.text()
	require.Contains(t, spans, "night-2026-11-26")
	for _, never := range []string{"night-2026", "boom", "slice of"} {
		require.NotContains(t, metrics, never)
	}
}

// One attribute that is no UTF-8 would cost all that is exported with it.
func TestHostileKeysAndErrorsReachTheCollector(t *testing.T) {
	hostile := []string{
		"", "\xff\xfe", "a\x00b", "\x1b[2J\x1b[H", "<script>alert(1)</script>", strings.Repeat("k", 5000), "line\nbreak", "caf\u00e9\xc3",
		"\u202egpj.exe", strings.Repeat("\xf0\x9f", 800), "key=\"value\"", "%s%n%d", "../../etc/passwd",
	}
	c := newCollector(t)
	o, flush := exporting(t, c, SpanItems)
	_, err := dmap.Map(t.Context(), keyed(hostile...), func(_ context.Context, key string) (string, error) {
		return "", classed("class of " + key)
	}, dmap.Options{RunID: "r", Retry: quick, Tolerance: dmap.Tolerance{Percentage: tolerant}, Observer: o})
	require.NoError(t, err)
	flush()
	require.Empty(t, c.errs)
	items := 0
	for _, s := range c.spans {
		if s.Name == SpanItem {
			items++
		} else {
			require.Len(t, s.Events, len(hostile))
		}
	}
	require.Equal(t, len(hostile), items)
	require.NotEmpty(t, c.metrics[MetricItems].GetSum().DataPoints)
}
