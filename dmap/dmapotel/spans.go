package dmapotel

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
)

const (
	maxEvents = 32    // of failed items in a span
	maxKey    = 1_100 // bytes of the ID of an item, or of a split
	maxText   = 4 << 10
)

// runSpan is the span of a run in this process.
type runSpan struct {
	trace.Span
	tracer  trace.Tracer
	key     func(string) string // Options.Redact.Key; nil: keys are shown
	failing atomic.Int64        // items that have failed
}

// startRunSpan begins the span of a run. The returned context has it.
func startRunSpan(ctx context.Context, tracer trace.Tracer, e dmap.RunStart) (context.Context, *runSpan) {
	attributes := []attribute.KeyValue{
		attribute.String(AttrRunID, clipped(e.RunID, maxKey)),
		attribute.String(AttrSource, clipped(e.Source, maxText)),
		attribute.String(AttrSourceKind, sourceKind(e.Source)),
		attribute.String(AttrEngine, engineOf(e)),
		attribute.Bool(AttrResumed, e.Resumed),
	}
	if e.RunSpec.Redrive > 0 {
		attributes = append(attributes, attribute.Int(AttrRedrive, e.RunSpec.Redrive))
	}
	ctx, span := tracer.Start(ctx, SpanRun, trace.WithSpanKind(trace.SpanKindInternal), trace.WithAttributes(attributes...))
	return ctx, &runSpan{Span: span, tracer: tracer, key: e.Options.Redact.Key}
}

// endRun ends the span with the counts of the run. A run that was suspended has not failed.
func (s *runSpan) endRun(e dmap.RunEnd) {
	if s.IsRecording() {
		n := e.Stats
		s.SetAttributes(
			attribute.String(AttrState, string(n.State)), attribute.String(AttrReason, n.Reason),
			attribute.Int64(AttrSucceeded, n.Succeeded), attribute.Int64(AttrFailed, n.Failed), attribute.Int64(AttrSkipped, n.Skipped),
			attribute.Int64(AttrHeld, n.Held), attribute.Int64(AttrPending, n.Pending),
			attribute.Int64(AttrCalls, n.Calls), attribute.Int64(AttrRetries, n.Retries),
		)
		if e.Err != nil && !errors.Is(e.Err, dmap.ErrSuspended) {
			s.SetStatus(codes.Error, clipped(e.Err.Error(), maxText))
		}
	}
	s.End()
}

// startCall begins the span of a call. The returned context has it.
func (s *runSpan) startCall(ctx context.Context, name string, e dmap.CallStart) (context.Context, trace.Span) {
	ctx, span := s.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindInternal))
	if span.IsRecording() {
		span.SetAttributes(
			attribute.String(AttrRunID, clipped(e.RunID, maxKey)), attribute.String(AttrPart, s.shownPart(e.Info)),
			attribute.String(AttrItemID, s.shownID(e.Info)), attribute.Int(AttrAttempt, e.Attempt),
			attribute.Int(AttrItems, e.Items), attribute.Int64(AttrBytes, e.Bytes),
		)
	}
	return ctx, span
}

// endCall ends the span of a call.
func endCall(span trace.Span, e dmap.CallEnd, outcome string) {
	if span.IsRecording() {
		span.SetAttributes(attribute.String(AttrOutcome, outcome))
		if e.Abandoned {
			span.SetAttributes(attribute.Bool(AttrAbandoned, true))
		}
		if e.Err != nil {
			addCallError(span, e.Err, outcome)
		}
	}
	span.End()
}

// addCallError adds the error of a call to its span.
func addCallError(span trace.Span, err error, outcome string) {
	var some batch.Errors
	if errors.As(err, &some) {
		first, all := failedItems(some, maxEvents)
		for _, at := range first { // without a text: only that of the whole has the form that the run shows
			span.AddEvent(EventFailed, trace.WithAttributes(
				attribute.Int(AttrPosition, at), attribute.String(AttrErrorType, errorType(some[at]))))
		}
		span.SetAttributes(attribute.Int(AttrFailed, all))
	}
	switch outcome {
	case OutcomeFailed, OutcomeTimedOut, OutcomeAborted:
		span.SetAttributes(attribute.String(AttrErrorType, errorType(errorOf(err))))
		span.SetStatus(codes.Error, clipped(err.Error(), maxText))
	}
}

// addFailure adds an item that has failed for good to the span of the run, if it is one of the
// first.
func (s *runSpan) addFailure(e dmap.FailureEvent) {
	if s.failing.Load() >= maxEvents || s.failing.Add(1) > maxEvents || !s.IsRecording() {
		return
	}
	s.AddEvent(EventFailed, trace.WithAttributes(
		attribute.String(AttrItemID, s.shownID(e.Info)), attribute.String(AttrPart, s.shownPart(e.Info)),
		attribute.Int(AttrAttempt, e.Attempt),
		attribute.String(AttrErrorType, errorType(e.Err)), attribute.String(AttrMessage, clipped(e.Err.Error(), maxText))))
}

// shownID is the ID of an item, with the key that the run shows.
func (s *runSpan) shownID(i dmap.Info) string {
	i.Key = s.shownKey(i.Key)
	return clipped(i.ID(), maxKey)
}

// shownPart is the ID of the split of an item. It may hold the key of the item's object.
func (s *runSpan) shownPart(i dmap.Info) string {
	if s.key == nil {
		return clipped(i.Split, maxKey)
	}
	return clipped(s.shownKey(i.Split), maxKey)
}

// shownKey is a key as Options.Redact shows it, nothing of it if that panics.
func (s *runSpan) shownKey(key string) string {
	if s.key == nil {
		return key
	}
	return safely("[hidden]", func() string { return s.key(key) })
}

// seconds is d for metrics.
func seconds(d time.Duration) float64 { return max(0, d.Seconds()) }
