package dmap

import (
	"errors"
	"fmt"
)

// finish runs after the last call. It delivers settled items, flushes the sinks, writes the last
// commit, checks the counts, and ends the run in the sinks.
func (e *engine[T, R]) finish(readErr error) {
	ctx := e.stopper.save.ctx
	pending := e.delivery.collect(ctx)
	e.sinks.flush(ctx)
	e.durable.commit(ctx, e.stopper.stopping.Load())
	stats := e.running()
	stats.Pending = int64(len(pending))
	ending := Ending{Stats: stats, Pending: pending, Err: e.verdict(readErr, stats)}
	if ending.Err != nil && !e.tally.readAll.Load() {
		ending.Unread = e.reader.unread()
	}
	ending.Resumable = e.durable.on() && resumable(ending.Err)
	e.final, e.err = stats, e.end(ending)
	e.stopper.log.ended(e.final, e.err, ending.Resumable)
}

// end appends the final record and ends the run in the sinks, in the one that keeps the journal
// last. It returns the error of the run. If a step fails a run with a journal stays open.
func (e *engine[T, R]) end(ending Ending) error {
	ctx := e.stopper.save.ctx
	failed := func(err error) {
		if err != nil {
			ending.Err, ending.Resumable = errors.Join(ending.Err, err), e.durable.on()
		}
	}
	if !ending.Resumable {
		failed(e.durable.appendFinal(ctx)) // first: a process that was fenced ends nothing
	}
	failed(e.sinks.end(ctx, ending))
	failed(e.sinks.endKeeper(ctx, ending))
	failed(e.durable.close())
	return ending.Err
}

// resumable reports whether a run that ends with err stays open for a call with the same RunID. It
// does unless somebody decided its end: the source ended, the tolerance was exceeded, or the run
// was canceled.
func resumable(err error) bool {
	var source *SourceError
	var sink *SinkError
	return errors.Is(err, ErrSuspended) || errors.Is(err, ErrInternal) || errors.As(err, &source) || errors.As(err, &sink)
}

// verdict is the error of the run: why it stopped, the errors of its source and sinks, or that too
// many items failed.
func (e *engine[T, R]) verdict(readErr error, s Stats) error {
	cause := e.stopper.why()
	errs := []error{cause}
	for _, err := range e.sinks.failures() {
		if err != cause {
			errs = append(errs, err)
		}
	}
	errs = append(errs, readErr)
	if cause == nil {
		errs = append(errs, e.tally.exceeded())
	}
	if sum := s.Succeeded + s.Failed + s.Skipped + s.Pending; sum != s.Read {
		errs = append(errs, fmt.Errorf("%w: read %d items, but %d succeeded, %d failed, %d skipped, %d are pending", ErrInternal,
			s.Read, s.Succeeded, s.Failed, s.Skipped, s.Pending))
	}
	return errors.Join(errs...)
}
