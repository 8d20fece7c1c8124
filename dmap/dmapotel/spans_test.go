package dmapotel

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
)

// inBatches calls fn for batches of five of n numbers.
func inBatches(t *testing.T, n int, opts dmap.Options, fn func(ctx context.Context, items []dmap.Item[int]) error) (dmap.Stats, error) {
	t.Helper()
	return dmap.MapBatch(t.Context(), numbers(n), batch.Limits{Items: 5}, func(ctx context.Context, items []dmap.Item[int]) ([]int, error) {
		return make([]int, len(items)), fn(ctx, items)
	}, opts)
}

func TestARunIsASpanAndEachBatchItsChild(t *testing.T) {
	b := newBackend(t)
	user := b.traces.Tracer("of the user")
	ctx, caller := user.Start(t.Context(), "caller")
	stats, err := dmap.MapBatch(ctx, numbers(20), batch.Limits{Items: 5}, func(ctx context.Context, items []dmap.Item[int]) ([]int, error) {
		_, client := user.Start(ctx, "client")
		client.End()
		return make([]int, len(items)), nil
	}, dmap.Options{RunID: "night", MaxConcurrency: 3, Observer: b.observer()})
	require.NoError(t, err)
	caller.End()

	run := b.one(t, SpanRun)
	require.Equal(t, caller.SpanContext().SpanID(), run.Parent().SpanID())
	require.Equal(t, caller.SpanContext().TraceID(), run.SpanContext().TraceID())
	require.Equal(t, trace.SpanKindInternal, run.SpanKind())
	require.Equal(t, Scope, run.InstrumentationScope().Name)
	require.Equal(t, codes.Unset, run.Status().Code)
	require.Equal(t, map[string]any{
		AttrRunID: "night", AttrSource: "slice of 20", AttrSourceKind: "slice", AttrEngine: "local", AttrResumed: false,
		AttrState: "ended", AttrReason: "succeeded", AttrSucceeded: int64(20), AttrFailed: int64(0), AttrSkipped: int64(0), AttrHeld: int64(0),
		AttrPending: int64(0), AttrCalls: int64(4), AttrRetries: int64(0),
	}, attributes(run.Attributes()))
	require.EqualValues(t, 20, stats.Succeeded)

	batches := map[trace.SpanID]sdktrace.ReadOnlySpan{}
	var items int64
	for _, s := range b.named(SpanBatch) {
		batches[s.SpanContext().SpanID()] = s
		require.Equal(t, run.SpanContext().SpanID(), s.Parent().SpanID())
		a := attributes(s.Attributes())
		items += a[AttrItems].(int64)
		require.Equal(t, "night", a[AttrRunID])
		require.Equal(t, int64(1), a[AttrAttempt])
		require.Equal(t, OutcomeSucceeded, a[AttrOutcome])
		require.NotEmpty(t, a[AttrItemID])
		require.Contains(t, a, AttrPart)
	}
	require.Len(t, batches, 4)
	require.EqualValues(t, 20, items)
	for _, s := range b.named("client") {
		require.Contains(t, batches, s.Parent().SpanID(), "a span of the function is a child of its call")
	}
	require.Len(t, b.named("client"), 4)
}

func TestMapHasNoSpanForEachItemUnlessAsked(t *testing.T) {
	for name, c := range map[string]struct {
		spans Spans
		items int
	}{"batches": {SpanBatches, 0}, "runs": {SpanRuns, 0}, "items": {SpanItems, 10}} {
		t.Run(name, func(t *testing.T) {
			b := newBackend(t)
			opts := b.options()
			opts.Spans = c.spans
			user := b.traces.Tracer("of the user")
			_, err := dmap.Map(t.Context(), numbers(10), func(ctx context.Context, i int) (int, error) {
				_, client := user.Start(ctx, "client")
				client.End()
				return i, nil
			}, dmap.Options{Observer: Observer(opts)})
			require.NoError(t, err)
			run := b.one(t, SpanRun)
			require.False(t, run.Parent().IsValid(), "a root")
			parents := map[trace.SpanID]bool{run.SpanContext().SpanID(): c.items == 0}
			require.Len(t, b.named(SpanItem), c.items)
			for _, s := range b.named(SpanItem) {
				require.Equal(t, run.SpanContext().SpanID(), s.Parent().SpanID())
				parents[s.SpanContext().SpanID()] = true
			}
			for _, s := range b.named("client") {
				require.True(t, parents[s.Parent().SpanID()])
			}
			require.Len(t, b.spans.Ended(), 11+c.items)
		})
	}
}

func TestSpansOfRunsAloneHaveNoBatches(t *testing.T) {
	b := newBackend(t)
	opts := b.options()
	opts.Spans = SpanRuns
	_, err := inBatches(t, 20, dmap.Options{Observer: Observer(opts)}, func(context.Context, []dmap.Item[int]) error { return nil })
	require.NoError(t, err)
	require.Equal(t, []string{SpanRun}, sortedNames(b.spans.Ended()))
	require.Equal(t, map[string]float64{"outcome=succeeded ": 4}, sums(t, b.metrics(t)[MetricBatchDuration]))
}

func TestFailedItemsAreEventsOfTheRunAtMost32(t *testing.T) {
	b := newBackend(t)
	stats, err := dmap.Map(t.Context(), numbers(1000), func(_ context.Context, i int) (int, error) {
		if i%2 == 0 {
			return 0, fmt.Errorf("item %d: %w", i, errBoom)
		}
		return i, nil
	}, dmap.Options{MaxConcurrency: 20, Tolerance: dmap.Tolerance{Percentage: tolerant}, Retry: quick, Observer: b.observer()})
	require.NoError(t, err)
	require.EqualValues(t, 500, stats.Failed)
	run := b.one(t, SpanRun)
	require.Len(t, run.Events(), 32)
	for _, e := range run.Events() {
		require.Equal(t, EventFailed, e.Name)
		a := attributes(e.Attributes)
		require.Equal(t, "error", a[AttrErrorType])
		require.Contains(t, a[AttrMessage], "boom")
		require.NotEmpty(t, a[AttrItemID])
		require.Equal(t, int64(1), a[AttrAttempt])
	}
	require.Equal(t, int64(500), attributes(run.Attributes())[AttrFailed], "the rest is a number")
}

func TestABatchHasTheItemsThatFailedInItsAttempt(t *testing.T) {
	b := newBackend(t)
	_, err := inBatches(t, 5, dmap.Options{
		Retry: dmap.Retry{MaxAttempts: 2, Initial: 1}, Tolerance: dmap.Tolerance{Percentage: tolerant}, Observer: b.observer(),
	}, func(ctx context.Context, items []dmap.Item[int]) error {
		if info, _ := dmap.InfoFrom(ctx); info.Attempt > 1 {
			return nil
		}
		return batch.Errors{1: errBoom, 3: fmt.Errorf("late: %w", context.DeadlineExceeded), 4: dmap.ErrSkip}
	})
	require.NoError(t, err)
	calls := b.named(SpanBatch)
	require.Len(t, calls, 2)
	require.Equal(t, codes.Error, calls[0].Status().Code)
	require.Contains(t, calls[0].Status().Description, "3 items of the batch failed")
	var events []string
	for _, e := range calls[0].Events() {
		a := attributes(e.Attributes)
		events = append(events, fmt.Sprint(a[AttrPosition], " ", a[AttrErrorType]))
	}
	require.Equal(t, []string{"1 error", "3 timeout"}, events)
	a := attributes(calls[0].Attributes())
	require.Equal(t, int64(2), a[AttrFailed])
	require.Equal(t, OutcomeFailed, a[AttrOutcome])
	a = attributes(calls[1].Attributes())
	require.Equal(t, int64(2), a[AttrAttempt])
	require.Equal(t, int64(2), a[AttrItems])
	require.Equal(t, OutcomeSucceeded, a[AttrOutcome])
	require.Empty(t, b.one(t, SpanRun).Events(), "no item has failed for good")
}

// The errors of items in a batch.Errors have the methods that the function has given them.
func TestErrorsThatPanicCostNoSpan(t *testing.T) {
	b := newBackend(t)
	_, err := inBatches(t, 5, dmap.Options{Retry: quick, Tolerance: dmap.Tolerance{Percentage: tolerant}, Observer: b.observer()},
		func(context.Context, []dmap.Item[int]) error {
			return batch.Errors{0: panicking{}, 1: dmap.ErrSkip, 2: (*panicking)(nil)}
		})
	require.NoError(t, err)
	require.Len(t, b.one(t, SpanBatch).Events(), 2)
	require.Equal(t, OutcomeFailed, attributes(b.one(t, SpanBatch).Attributes())[AttrOutcome])
	require.Len(t, b.one(t, SpanRun).Events(), 2)
	require.Equal(t, map[string]float64{"outcome=succeeded ": 2, "outcome=skipped ": 1, "outcome=failed error.type=error ": 2}, sums(t, b.metrics(t)[MetricItems]))
}

type panicking struct{}

func (panicking) Error() string { panic("Error") }
func (panicking) Is(error) bool { panic("Is") }
func (panicking) As(any) bool   { panic("As") }
func (panicking) Unwrap() error { panic("Unwrap") }
func (panicking) Class() string { panic("Class") }

func TestALargeBatchHasAtMost32Events(t *testing.T) {
	b := newBackend(t)
	_, err := dmap.MapBatch(t.Context(), numbers(500), batch.Limits{Items: 500}, func(_ context.Context, items []dmap.Item[int]) ([]int, error) {
		errs := batch.Errors{}
		for i := range items {
			errs[i] = errBoom
		}
		return nil, errs
	}, dmap.Options{Retry: quick, Tolerance: dmap.Tolerance{Percentage: tolerant}, Observer: b.observer()})
	require.NoError(t, err)
	require.Len(t, b.one(t, SpanBatch).Events(), 32)
	require.Equal(t, int64(500), attributes(b.one(t, SpanBatch).Attributes())[AttrFailed])
	require.Len(t, b.one(t, SpanRun).Events(), 32)
}

func TestAnAbandonedCallEndsItsSpanOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		opts := b.options()
		opts.Spans = SpanItems
		_, err := dmap.Map(t.Context(), numbers(1), func(context.Context, int) (int, error) {
			time.Sleep(time.Hour)
			return 0, nil
		}, dmap.Options{
			Timeout: time.Second, AbandonAfter: time.Second, Retry: quick, Tolerance: dmap.Tolerance{Percentage: tolerant}, Observer: Observer(opts),
		})
		require.NoError(t, err)
		call := b.one(t, SpanItem)
		a := attributes(call.Attributes())
		require.Equal(t, true, a[AttrAbandoned])
		require.Equal(t, "stuck", a[AttrErrorType])
		require.Equal(t, codes.Error, call.Status().Code)
		require.NotContains(t, b.metrics(t), MetricInFlight, "no run runs")
		time.Sleep(2 * time.Hour)
		require.Len(t, b.named(SpanItem), 1)
	})
}

func TestARunThatFailsHasAnErrorAndASuspendedOneHasNot(t *testing.T) {
	b := newBackend(t)
	_, err := dmap.Map(t.Context(), numbers(10), func(context.Context, int) (int, error) { return 0, errBoom }, dmap.Options{Retry: quick, Observer: b.observer()})
	require.ErrorIs(t, err, dmap.ErrTolerance)
	run := b.one(t, SpanRun)
	require.Equal(t, codes.Error, run.Status().Code)
	require.Contains(t, run.Status().Description, "tolerance")

	b = newBackend(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err = dmap.Map(ctx, numbers(10), func(context.Context, int) (int, error) { cancel(dmap.ErrSuspended); return 0, nil },
		dmap.Options{MaxConcurrency: 1, Observer: b.observer()})
	require.ErrorIs(t, err, dmap.ErrSuspended)
	require.Equal(t, codes.Unset, b.one(t, SpanRun).Status().Code)
	require.Equal(t, "suspended", attributes(b.one(t, SpanRun).Attributes())[AttrReason])
}

// The function of a run starts another run with the same observer: each has its own spans.
func TestANestedRunIsAChildOfTheCallThatStartsIt(t *testing.T) {
	b := newBackend(t)
	o := b.observer()
	_, err := inBatches(t, 10, dmap.Options{RunID: "outer", Observer: o}, func(ctx context.Context, _ []dmap.Item[int]) error {
		_, err := dmap.Map(ctx, numbers(3), double, dmap.Options{RunID: "inner", Observer: o})
		return err
	})
	require.NoError(t, err)
	byID := map[trace.SpanID]sdktrace.ReadOnlySpan{}
	for _, s := range b.spans.Ended() {
		require.NotContains(t, byID, s.SpanContext().SpanID(), "no span ends twice")
		byID[s.SpanContext().SpanID()] = s
	}
	require.Equal(t, []string{SpanBatch, SpanBatch, SpanRun, SpanRun, SpanRun}, sortedNames(b.spans.Ended()))
	for _, s := range b.named(SpanRun) {
		if attributes(s.Attributes())[AttrRunID] == "inner" {
			require.Equal(t, SpanBatch, byID[s.Parent().SpanID()].Name())
		}
	}
	for _, s := range b.named(SpanBatch) {
		require.Equal(t, OutcomeSucceeded, attributes(s.Attributes())[AttrOutcome])
	}
	require.Equal(t, map[string]float64{"outcome=succeeded ": 6}, sums(t, b.metrics(t)[MetricItemDuration]))
	require.Equal(t, map[string]float64{"outcome=succeeded ": 2}, sums(t, b.metrics(t)[MetricBatchDuration]))
}

func TestTwoObserversOfOneRunEachEndTheirOwnSpans(t *testing.T) {
	a, b := newBackend(t), newBackend(t)
	_, err := inBatches(t, 10, dmap.Options{Observer: dmap.JoinObservers(a.observer(), b.observer())}, func(context.Context, []dmap.Item[int]) error { return nil })
	require.NoError(t, err)
	want := []string{SpanBatch, SpanBatch, SpanRun}
	require.Equal(t, want, sortedNames(a.spans.Ended()))
	require.Equal(t, want, sortedNames(b.spans.Ended()))
}

func TestSpansShowKeysAndErrorsAsTheRunDoes(t *testing.T) {
	b := newBackend(t)
	opts := b.options()
	opts.Spans = SpanItems
	_, err := dmap.Map(t.Context(), keyed("patient-7/a.json", "patient-8/b.json"), func(context.Context, string) (string, error) {
		return "", errors.New("card 4111 1111")
	}, dmap.Options{
		Retry: quick, Tolerance: dmap.Tolerance{Percentage: tolerant}, Observer: Observer(opts),
		Redact: dmap.Redact{
			Key: func(key string) string {
				if strings.HasPrefix(key, "patient-8") {
					panic("hide all of it")
				}
				return "hash-of-" + fmt.Sprint(len(key))
			},
			Error: func(string) string { return "hidden" },
		},
	})
	require.NoError(t, err)
	text := spanTexts(b.spans.Ended())
	for _, secret := range []string{"patient", "4111"} {
		require.NotContains(t, text, secret)
	}
	require.Contains(t, text, "hash-of-16")
	require.Contains(t, text, "[hidden]")
}

// spanTexts is all that is in spans.
func spanTexts(list []sdktrace.ReadOnlySpan) string {
	var out strings.Builder
	for _, s := range list {
		fmt.Fprintln(&out, s.Name(), s.Status().Description, attributes(s.Attributes()))
		for _, e := range s.Events() {
			fmt.Fprintln(&out, e.Name, attributes(e.Attributes))
		}
	}
	return out.String()
}

// keyedSource yields an item for each key.
type keyedSource []string

func keyed(keys ...string) dmap.Source[string] { return keyedSource(keys) }

func (k keyedSource) Items(context.Context) iter.Seq2[dmap.Item[string], error] {
	return func(yield func(dmap.Item[string], error) bool) {
		for i, key := range k {
			if !yield(dmap.Item[string]{Key: key, Offset: int64(i), Value: key, Size: 3, Next: dmap.Cursor{Offset: int64(i + 1)}}, nil) {
				return
			}
		}
	}
}
