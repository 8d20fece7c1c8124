package dmap

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
)

// outlet is one sink of a run. Writes to a sink that is not for concurrent use are serial.
type outlet[R any] struct {
	sink       Sink[R]
	concurrent bool
	mu         sync.Mutex // held around Write unless concurrent
	began      bool
}

func newOutlet[R any](s Sink[R]) *outlet[R] {
	_, concurrent := s.(ConcurrentSink)
	return &outlet[R]{sink: s, concurrent: concurrent}
}

func (o *outlet[R]) write(ctx context.Context, results []Result[R]) error {
	if !o.concurrent {
		o.mu.Lock()
		defer o.mu.Unlock()
	}
	return recovering(func() error { return o.sink.Write(ctx, results) })
}

// recovering turns a panic of a sink into an error.
func recovering(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = Recovered(p)
		}
	}()
	return f()
}

// isolated is recovering on a goroutine of its own, which it waits for: also a Goexit becomes an error.
func isolated(f func() error) error {
	err := ErrGoexit
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = recovering(f)
	}()
	<-done
	return err
}

// deliver sends the results of a settled chunk to the sinks and closes the chunk. The gate is told by the worker, when it
// comes for more.
func (e *engine[T, R]) deliver(c *chunk[T, R]) {
	e.store(e.sinkCtx, c)
	e.ledger.remove(c)
	e.recycler.done(c)
}

// store writes what c has settled to the sinks, and takes note of it for the next commit if all of them have it.
func (e *engine[T, R]) store(ctx context.Context, c *chunk[T, R]) {
	if e.commits.journal != nil {
		e.commits.line.enter()
		defer e.commits.line.leave()
	}
	results := e.recycler.buffer()
	*results = c.outcomes(*results, e.commits.journal != nil) // a sink of a durable run may store a success as a failure
	rejected, ok := e.write(ctx, *results)
	e.recycler.written(results)
	if ok {
		e.commits.delivered(c, int64(rejected))
	}
}

// write sends results to every sink. One that fails stops the run. It returns how many were rejected, and whether every
// sink has the rest.
func (e *engine[T, R]) write(ctx context.Context, results []Result[R]) (rejections int, ok bool) {
	if len(results) == 0 {
		return 0, true
	}
	ok = true
	var all Rejected
	for _, o := range e.sinks {
		err := o.write(ctx, results)
		if err == nil {
			continue
		}
		var rejected Rejected
		if errors.As(err, &rejected) {
			all = e.reject(results, rejected, all)
			continue
		}
		e.sinkBroke("write", err)
		ok = false
	}
	return len(all), ok
}

// reject counts successes that a sink could not keep as failures, each once however many sinks say so.
func (e *engine[T, R]) reject(results []Result[R], rejected, before Rejected) Rejected {
	if before == nil {
		before = Rejected{}
	}
	for i, err := range rejected {
		if _, counted := before[i]; counted || i < 0 || i >= len(results) || results[i].Err != nil {
			continue
		}
		before[i] = err
		e.counts.shard(0).Add(-1)
		e.failed(&ItemError{Info: results[i].Info, Err: err})
	}
	return before
}

// sinkBroke notes the failure of a sink, which ends the run.
func (e *engine[T, R]) sinkBroke(op string, err error) {
	broken := &SinkError{Op: op, Err: err}
	e.stop(broken)
	e.mu.Lock()
	defer e.mu.Unlock()
	told := slices.ContainsFunc(e.sinkErrs, func(o error) bool { return errors.Unwrap(o).Error() == err.Error() })
	if !told && len(e.sinkErrs) < firstFailures { // a sink may say the same at Write and at Flush
		e.sinkErrs = append(e.sinkErrs, broken)
	}
}

// open opens the journal, if there is one, and tells the recorders that the run starts. The Ending is that of a run that is
// over already.
func (e *engine[T, R]) open() (*Ending, error) {
	b := Beginning{RunID: e.opts.RunID, Source: e.sourceName, Started: e.started, Options: e.opts, Batch: e.limits}
	e.commits.e = e
	if e.commits.journal = e.journal(); e.commits.journal != nil {
		var p Progress
		err := isolated(func() (err error) { p, err = e.commits.journal.Open(e.runCtx, b); return err })
		if err != nil {
			return nil, &SinkError{Op: "open", Err: err}
		}
		e.opened = true
		if p.Ended != nil {
			return p.Ended, nil
		}
		if err := e.resume(e.runCtx, p); err != nil {
			return nil, err
		}
	}
	return nil, e.begin(b)
}

// journal is the one of the options, or of the first sink that has one.
func (e *engine[T, R]) journal() Journal {
	if e.opts.Journal != nil {
		return e.opts.Journal
	}
	for _, o := range e.sinks {
		keeper, ok := o.sink.(Journaler)
		if !ok {
			continue
		}
		if j := keeper.Journal(); j != nil {
			e.keeper = o
			return j
		}
	}
	return nil
}

// begin tells the recorders among the sinks that the run starts. After an error those that began are told its end.
func (e *engine[T, R]) begin(b Beginning) error {
	for _, o := range e.sinks {
		r, ok := o.sink.(Recorder)
		if !ok {
			continue
		}
		if err := isolated(func() error { return r.Begin(e.runCtx, b) }); err != nil {
			broken := &SinkError{Op: "begin", Err: err}
			_ = e.record(Ending{Stats: e.running(), Err: broken, Unread: Unread{All: true}, Resumable: e.commits.journal != nil})
			return broken
		}
		o.began = true
	}
	return nil
}

// record tells the recorders that began how the run ended. The one that keeps the journal comes last: its final record is
// the run's, so there is none while another is missing. It returns the sinks' errors.
func (e *engine[T, R]) record(end Ending) error {
	var errs []error
	for _, o := range e.lastly(e.keeper) {
		if !o.began {
			continue
		}
		if err := isolated(func() error { return o.sink.(Recorder).End(e.saveCtx, end) }); err != nil {
			e.sinkBroke("end", err)
			err = &SinkError{Op: "end", Err: err}
			errs = append(errs, err)
			end.Err, end.Resumable = errors.Join(end.Err, err), e.commits.journal != nil
		}
	}
	return errors.Join(errs...)
}

// lastly returns the sinks with last at the end, if it is one.
func (e *engine[T, R]) lastly(last *outlet[R]) []*outlet[R] {
	var sinks []*outlet[R]
	for _, o := range e.sinks {
		if o != last {
			sinks = append(sinks, o)
		}
	}
	if last != nil {
		sinks = append(sinks, last)
	}
	return sinks
}

// closeJournal lets go of a journal that was opened.
func (e *engine[T, R]) closeJournal() error {
	c, ok := e.commits.journal.(io.Closer)
	if !ok || !e.opened {
		return nil
	}
	e.opened = false
	if err := isolated(c.Close); err != nil {
		return &SinkError{Op: "close", Err: err}
	}
	return nil
}
