package dmap

import (
	"context"
	"errors"
	"time"

	"github.com/go-dmap/dmap/batch"
)

// Map calls fn once per item of src and returns when the run has ended and nothing of it runs any
// more.
//
// fn is called from many goroutines, at most Options.MaxConcurrency at once. Its error, panic or
// Goexit fails its item; the run fails when more items failed than Options.Tolerance allows. Stats
// are filled whenever the run has started.
//
// The error is nil after success. Otherwise it matches the reason: ErrTolerance (*ToleranceError),
// *SourceError, *SinkError, ErrCanceled, or the cause of ctx. It also matches ErrOpen if the same
// call resumes the run, which needs a sink with a journal, such as sink.Bucket. A run that has
// succeeded before is not run again: Map returns its Stats. Wrong arguments are reported all at
// once, before anything is read or written. [ExitCode] sorts all of these for programs.
//
// The end of ctx interrupts the calls in flight and leaves the run open. With the cause
// ErrSuspended they get Options.DrainTimeout to return first.
func Map[T, R any](ctx context.Context, src Source[T], fn func(context.Context, T) (R, error), opts Options, sinks ...Sink[R]) (Stats, error) {
	run, err := Start(ctx, src, fn, opts, sinks...)
	if err != nil {
		return Stats{}, err
	}
	return run.Wait()
}

// MapBatch is Map for functions that take many items in one call.
//
// fn returns one value per item, in order. A [batch.Errors] fails only the items it names; any
// other error fails all of them. A retry sends only the failed items again. fn may keep the slice
// but not change it. Data that all calls share is captured by fn. MaxConcurrency counts batches,
// everything else counts items. A batch never spans two splits.
func MapBatch[T, R any](ctx context.Context, src Source[T], limits batch.Limits, fn func(context.Context, []Item[T]) ([]R, error), opts Options, sinks ...Sink[R]) (Stats, error) {
	run, err := StartBatch(ctx, src, limits, fn, opts, sinks...)
	if err != nil {
		return Stats{}, err
	}
	return run.Wait()
}

// Start is Map that does not wait: the Run can be watched and controlled.
func Start[T, R any](ctx context.Context, src Source[T], fn func(context.Context, T) (R, error), opts Options, sinks ...Sink[R]) (*Run, error) {
	return launch(ctx, job[T, R]{fn: fn}, src, batch.Limits{}, opts, sinks, fn == nil)
}

// StartBatch is MapBatch that does not wait.
func StartBatch[T, R any](ctx context.Context, src Source[T], limits batch.Limits, fn func(context.Context, []Item[T]) ([]R, error), opts Options, sinks ...Sink[R]) (*Run, error) {
	return launch(ctx, job[T, R]{batchFn: fn, inBatches: true}, src, limits, opts, sinks, fn == nil)
}

// launch checks everything, then starts the engine.
func launch[T, R any](ctx context.Context, j job[T, R], src Source[T], limits batch.Limits, opts Options, sinks []Sink[R], noFn bool) (*Run, error) {
	wrong := callErrors(src, opts, noFn, sinks).in(ctx)
	if j.inBatches {
		wrong.options = errors.Join(wrong.options, limits.Validate())
	}
	if err := wrong.join(); err != nil {
		return nil, &callError{err}
	}
	opts = opts.withDefaults()
	spec := specOf(src, opts, limits, runClock{time.Now()})
	e := newEngine(ctx, j, PlanOf(src), spec, sinks)
	if err := e.start(); err != nil {
		return nil, err
	}
	return &Run{e}, nil
}
