package dmap

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-dmap/dmap/batch"
)

// Preflighter is a [Sink] that can try what a run will do with it. A source does so by
// [Plan.Preflight].
type Preflighter interface {
	// Preflight tries all operations of a run described by spec, also after one has failed, and
	// reports each. The RunID in spec.Options is empty if the caller gave none: then that of spec
	// was made for this call. It removes all that it has written, also when ctx ends: then within
	// two seconds. A try that hangs must leave time for the others before the deadline of ctx.
	// report may be called from any goroutine until Preflight returns.
	Preflight(ctx context.Context, spec RunSpec, report func(Check))
}

// Preflight tries, within seconds, what Map with the same arguments would need, and reports all
// problems at once. It calls neither fn nor any method of a sink but Validate and Preflight.
//
// It checks the arguments as Map does. It lists the first objects of the source and opens one, or
// reads the first item of a source without a [Plan.Preflight]: functions that read items, such as
// that of source.Transform, are called for that item. sink.Bucket tells whether the run with
// opts.RunID is new, open or ended and whether the call may continue it, and creates, lists, reads
// and deletes one small object beside the results. A sink that is no [Preflighter] is reported as
// not tried.
//
// The error is nil if all tries succeeded. Otherwise it joins one [*PreflightError] for each
// problem; the report also has what succeeded. [ExitCode] gives the code that Map would end with.
// All tries together take at most 10 s, or until the deadline of ctx. Seven tenths of that are for
// the tries, the rest for removing their objects.
//
// Nothing remains in the bucket, unless the process is killed or the store refuses to delete: see
// sink.Bucket's BucketSink.Preflight.
func Preflight[T, R any](ctx context.Context, src Source[T], fn func(context.Context, T) (R, error), opts Options, sinks ...Sink[R]) (PreflightReport, error) {
	return preflight(ctx, src, opts, callErrors(src, opts, fn == nil, sinks).in(ctx), batch.Limits{}, sinks)
}

// PreflightBatch is Preflight for the arguments of MapBatch.
func PreflightBatch[T, R any](ctx context.Context, src Source[T], limits batch.Limits, fn func(context.Context, []Item[T]) ([]R, error), opts Options, sinks ...Sink[R]) (PreflightReport, error) {
	wrong := callErrors(src, opts, fn == nil, sinks).in(ctx)
	wrong.options = errors.Join(wrong.options, limits.Validate())
	return preflight(ctx, src, opts, wrong, limits, sinks)
}

// argumentErrors is all that is wrong with the arguments of a call, by argument.
type argumentErrors struct {
	options  error // also of the limits and the function
	function error
	source   error
	sinks    []error
}

// CheckCall returns the error of Map for these arguments before any I/O: all that is wrong, joined.
// Its ExitCode is 64.
func CheckCall[T, R any](src Source[T], opts Options, sinks ...Sink[R]) error {
	if err := callErrors(src, opts, false, sinks).join(); err != nil {
		return &callError{err}
	}
	return nil
}

// callErrors checks the arguments of a call without any I/O.
func callErrors[T, R any](src Source[T], opts Options, noFn bool, sinks []Sink[R]) argumentErrors {
	wrong := argumentErrors{options: opts.validate(), source: checkedSource(src)}
	if noFn {
		wrong.function = errors.New("dmap: the function is nil")
	}
	for i, s := range sinks {
		wrong.sinks = append(wrong.sinks, checked(fmt.Sprintf("sink %d", i), s))
	}
	return wrong
}

// in adds the error of a context that is nil: no method of it can be called.
func (w argumentErrors) in(ctx context.Context) argumentErrors {
	if ctx == nil {
		w.function = errors.Join(errors.New("dmap: the context is nil: pass context.Background()"), w.function)
	}
	return w
}

// join returns all errors, joined.
func (w argumentErrors) join() error {
	return errors.Join(append([]error{w.options, w.source, w.function}, w.sinks...)...)
}
