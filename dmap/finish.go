package dmap

import (
	"errors"
	"fmt"
)

// end closes the books when no call runs any more: what has no outcome is pending, what has one reaches the sinks, the
// counts are checked, and the recorders are told.
func (e *engine[T, R]) end(readErr error) {
	pending := e.collect()
	for _, o := range e.sinks {
		if err := isolated(func() error { return o.sink.Flush(e.saveCtx) }); err != nil {
			e.sinkBroke("flush", err)
		}
	}
	if e.commits.journal != nil {
		e.commits.commit(e.saveCtx, e.stopping.Load())
	}
	stats := e.running()
	stats.Pending = int64(len(pending))
	ending := Ending{Stats: stats, Pending: pending, Err: e.verdict(readErr, stats)}
	if ending.Err != nil && !e.readAll.Load() {
		ending.Unread = e.reading.unread()
	}
	ending.Resumable = e.resumable(ending.Err)
	last := errors.Join(e.record(ending), e.closeJournal())
	e.mu.Lock()
	defer e.mu.Unlock()
	e.final, e.err = stats, ending.Err
	if last != nil {
		e.err = errors.Join(ending.Err, last)
	}
}

// collect delivers what open chunks have settled and returns the rest.
func (e *engine[T, R]) collect() []Pending {
	var pending []Pending
	for _, c := range e.ledger.open() {
		if err := isolated(func() error { e.store(e.saveCtx, c); return nil }); err != nil {
			e.sinkBroke("write", err)
		}
		pending = append(pending, c.pending()...)
	}
	return pending
}

// resumable says whether a call with the same RunID goes on after err: with a journal, unless the run came to an end that
// somebody decided: by its source's, the tolerance, or a cancellation.
func (e *engine[T, R]) resumable(err error) bool {
	var source *SourceError
	var sink *SinkError
	return e.commits.journal != nil &&
		(errors.Is(err, ErrSuspended) || errors.Is(err, ErrInternal) || errors.As(err, &source) || errors.As(err, &sink))
}

// verdict is the error of the run: why it stopped, what was wrong with its source, or that too many items failed.
func (e *engine[T, R]) verdict(readErr error, s Stats) error {
	e.mu.Lock()
	cause, sinkErrs := e.cause, e.sinkErrs
	e.mu.Unlock()
	errs := []error{cause}
	for _, err := range sinkErrs {
		if err != cause {
			errs = append(errs, err)
		}
	}
	errs = append(errs, readErr)
	if cause == nil {
		errs = append(errs, e.intolerable())
	}
	if sum := s.Succeeded + s.Failed + s.Skipped + s.Pending; sum != s.Read {
		errs = append(errs, fmt.Errorf("%w: read %d items, but %d succeeded, %d failed, %d skipped, %d are pending", ErrInternal,
			s.Read, s.Succeeded, s.Failed, s.Skipped, s.Pending))
	}
	return errors.Join(errs...)
}
