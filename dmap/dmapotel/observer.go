package dmapotel

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/go-dmap/dmap/dmap"
)

// Observer returns an observer that reports runs to OpenTelemetry. It may serve many runs, also at
// once, and be joined with others by dmap.JoinObservers. Errors in making metrics go to the error
// handler of package otel.
func Observer(opts Options) *dmap.Observer {
	o := &observer{opts: opts, traces: !opts.noTraces(), metrics: !opts.noMetrics()}
	callSpans := o.traces && opts.Spans != SpanRuns
	out := &dmap.Observer{RunStarted: o.runStarted, RunEnded: o.runEnded, FailureSettled: o.failureSettled}
	if callSpans {
		out.CallStarted = o.callStarted
	}
	if callSpans || o.metrics {
		out.CallEnded = o.callEnded
	}
	if o.metrics {
		out.RetryScheduled, out.Committed = o.retryScheduled, o.committed
	}
	return out
}

// observer is what the functions of one Observer share. The context of a run holds its *run under
// the pointer to the observer, and that of a call its *call under callKey.
type observer struct {
	opts            Options
	traces, metrics bool
}

// run is one run that an observer sees.
type run struct {
	span    *runSpan    // nil: none
	metrics *runMetrics // nil: none
	batches bool
	ended   atomic.Bool
}

type callKey struct{ of *observer }

// call is the span of a call. Its context is also that of runs that the function starts.
type call struct {
	trace.Span
	of *run
}

func (o *observer) runStarted(ctx context.Context, e dmap.RunStart) context.Context {
	r := &run{batches: e.Batch.Items != 0 || e.Batch.Bytes != 0}
	if o.traces {
		ctx, r.span = startRunSpan(ctx, o.opts.tracer(), e)
	}
	if o.metrics {
		r.metrics = startMetrics(joinProcess(o.opts.meters()), e)
	}
	go r.awaitEnd(ctx, e.Run)
	return context.WithValue(ctx, o, r)
}

// awaitEnd ends r if the event of its end is lost: an observer that it is joined with may not
// return, or panic. It survives a provider that panics, as the engine does.
func (r *run) awaitEnd(ctx context.Context, of dmap.LiveRun) {
	<-of.Done()
	stats, err := of.Wait()
	safely(struct{}{}, func() struct{} {
		r.end(ctx, dmap.RunEnd{Stats: stats, Err: err})
		return struct{}{}
	})
}

// end ends the metrics and the span, once.
func (r *run) end(ctx context.Context, e dmap.RunEnd) {
	if r.ended.Swap(true) {
		return
	}
	if r.metrics != nil {
		var lost int64
		if e.Err != nil && e.Stats.State == dmap.StateEnded {
			lost = e.Stats.Pending
		}
		r.metrics.end(ctx, e.Stats, lost)
	}
	if r.span != nil {
		r.span.endRun(e)
	}
}

// of is the run of a context; nil: the event of its start was lost.
func (o *observer) of(ctx context.Context) *run {
	r, _ := ctx.Value(o).(*run)
	return r
}

func (o *observer) runEnded(ctx context.Context, e dmap.RunEnd) {
	if r := o.of(ctx); r != nil {
		r.end(ctx, e)
	}
}

func (o *observer) callStarted(ctx context.Context, e dmap.CallStart) context.Context {
	r := o.of(ctx)
	if r == nil || r.span == nil {
		return ctx
	}
	name := SpanBatch
	if !r.batches {
		if o.opts.Spans != SpanItems {
			return ctx
		}
		name = SpanItem
	}
	ctx, span := r.span.startCall(ctx, name, e)
	return context.WithValue(ctx, callKey{o}, &call{span, r})
}

func (o *observer) callEnded(ctx context.Context, e dmap.CallEnd) {
	r := o.of(ctx)
	if r == nil {
		return
	}
	outcome := callOutcome(e.Err, ctx.Err() != nil)
	if r.metrics != nil {
		r.metrics.called(ctx, r.batches, outcome, seconds(e.Elapsed))
		if e.Attempt <= 1 {
			r.metrics.addBytes(ctx, r.metrics.read, e.Bytes)
		}
	}
	if c, ok := ctx.Value(callKey{o}).(*call); ok && c.of == r {
		endCall(c.Span, e, outcome)
	}
}

func (o *observer) retryScheduled(ctx context.Context, e dmap.RetryEvent) {
	if r := o.of(ctx); r != nil && r.metrics != nil {
		r.metrics.addRetry(ctx, e.Err)
	}
}

func (o *observer) failureSettled(ctx context.Context, e dmap.FailureEvent) {
	r := o.of(ctx)
	if r == nil {
		return
	}
	if r.metrics != nil {
		r.metrics.addFailed(ctx, e.Err)
	}
	if r.span != nil {
		r.span.addFailure(e)
	}
}

func (o *observer) committed(ctx context.Context, _ dmap.CommitEvent) {
	if r := o.of(ctx); r != nil && r.metrics != nil {
		r.metrics.committed.Store(time.Now().UnixNano())
	}
}
