package dmapotel

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// durationBounds are the upper bounds of the buckets of durations, in s: those that OpenTelemetry
// recommends, and three for calls that take long.
func durationBounds() []float64 {
	return []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 300}
}

// instruments are the metrics of one provider. A nil instruments does nothing.
type instruments struct {
	meter metric.Meter

	itemDuration, batchDuration   metric.Float64Histogram
	items, retries, read, written metric.Int64Counter
	inFlight                      metric.Int64ObservableUpDownCounter
	limit                         metric.Int64ObservableGauge
	checkpointAge                 metric.Float64ObservableGauge
}

// newInstruments makes the metrics. One that the provider refuses does nothing; the errors go to
// the error handler of OpenTelemetry.
func newInstruments(provider metric.MeterProvider) *instruments {
	m := provider.Meter(Scope, metric.WithInstrumentationVersion(moduleVersion()))
	i := &instruments{meter: m}
	var errs [9]error
	buckets := metric.WithExplicitBucketBoundaries(durationBounds()...)
	i.itemDuration, errs[0] = m.Float64Histogram(MetricItemDuration, metric.WithUnit("s"), buckets,
		metric.WithDescription("Time of a call of the function with one item."))
	i.batchDuration, errs[1] = m.Float64Histogram(MetricBatchDuration, metric.WithUnit("s"), buckets,
		metric.WithDescription("Time of a call of the function with a batch of items."))
	i.items, errs[2] = m.Int64Counter(MetricItems, metric.WithUnit("{item}"), metric.WithDescription("Items settled."))
	i.retries, errs[3] = m.Int64Counter(MetricRetries, metric.WithUnit("{retry}"), metric.WithDescription("Items that are called again."))
	i.read, errs[4] = m.Int64Counter(MetricRead, metric.WithUnit("By"),
		metric.WithDescription("Size of the items that were called for the first time."))
	i.written, errs[5] = m.Int64Counter(MetricWritten, metric.WithUnit("By"), metric.WithDescription("Size of the files of results written."))
	i.inFlight, errs[6] = m.Int64ObservableUpDownCounter(MetricInFlight, metric.WithUnit("{item}"),
		metric.WithDescription("Items in calls that run now."))
	i.limit, errs[7] = m.Int64ObservableGauge(MetricLimit, metric.WithUnit("{item}"), metric.WithDescription("Calls that may run at once now."))
	i.checkpointAge, errs[8] = m.Float64ObservableGauge(MetricCheckpointAge, metric.WithUnit("s"),
		metric.WithDescription("Time since the last record of the journal, of the run whose record is the oldest."))
	if err := errors.Join(errs[:]...); err != nil {
		otel.Handle(err)
	}
	return i
}

// kindMetrics are the metrics of the runs with one kind of source. Their attributes are made once,
// because calls are frequent.
type kindMetrics struct {
	*instruments
	common []attribute.KeyValue

	plain      metric.MeasurementOption
	durations  map[string][]metric.RecordOption // by outcome
	byOutcome  map[string][]metric.AddOption    // of items without an error
	bytes      []metric.AddOption
	mu         sync.Mutex                       // guards withErrors
	withErrors map[[2]string][]metric.AddOption // by outcome and type of error; at most 3 times that many as there are types
}

func newKindMetrics(i *instruments, kind, engine string) *kindMetrics {
	k := &kindMetrics{
		instruments: i, common: []attribute.KeyValue{attribute.String(AttrSourceKind, kind), attribute.String(AttrEngine, engine)},
		durations: make(map[string][]metric.RecordOption), byOutcome: make(map[string][]metric.AddOption),
		withErrors: make(map[[2]string][]metric.AddOption),
	}
	k.plain = k.with()
	k.bytes = []metric.AddOption{k.plain}
	for _, outcome := range []string{OutcomeSucceeded, OutcomeFailed, OutcomeTimedOut, OutcomeAborted, OutcomeSkipped, OutcomeHeld} {
		option := k.with(attribute.String(AttrOutcome, outcome))
		k.durations[outcome] = []metric.RecordOption{option}
		k.byOutcome[outcome] = []metric.AddOption{option}
	}
	return k
}

// with is the common attributes and more.
func (k *kindMetrics) with(more ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(append(append([]attribute.KeyValue{}, k.common...), more...)...))
}

// called records a call.
func (k *kindMetrics) called(ctx context.Context, batch bool, outcome string, seconds float64) {
	h := k.itemDuration
	if batch {
		h = k.batchDuration
	}
	h.Record(ctx, seconds, k.durations[outcome]...)
}

// addItems counts settled items without an error.
func (k *kindMetrics) addItems(ctx context.Context, outcome string, n int64) {
	if n > 0 {
		k.items.Add(ctx, n, k.byOutcome[outcome]...)
	}
}

// addFailed counts an item that has failed.
func (k *kindMetrics) addFailed(ctx context.Context, err error) {
	k.items.Add(ctx, 1, k.errorOptions(failedOutcome(err), errorTypes.of(err))...)
}

// addRetry counts an item that is called again.
func (k *kindMetrics) addRetry(ctx context.Context, err error) {
	k.retries.Add(ctx, 1, k.errorOptions("", errorTypes.of(err))...)
}

// addBytes adds n to a counter of bytes.
func (k *kindMetrics) addBytes(ctx context.Context, to metric.Int64Counter, n int64) {
	if n > 0 {
		to.Add(ctx, n, k.bytes...)
	}
}

// errorOptions are the options for a type of error, with an outcome unless it is empty.
func (k *kindMetrics) errorOptions(outcome, kind string) []metric.AddOption {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := [2]string{outcome, kind}
	if options, ok := k.withErrors[key]; ok {
		return options
	}
	more := []attribute.KeyValue{attribute.String(AttrErrorType, kind)}
	if outcome != "" {
		more = append(more, attribute.String(AttrOutcome, outcome))
	}
	options := []metric.AddOption{k.with(more...)}
	k.withErrors[key] = options
	return options
}
