package dmap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/ownresults"
)

// sinkSet is the sinks of a run. The first error of each ends the run.
type sinkSet[R any] struct {
	list     []*sinkState[R]
	keeper   *sinkState[R] // keeps the journal; nil: none does
	keeperAt string        // its position
	stopper  *stopper

	ignorance time.Duration // how long a sink may ignore the end of its context

	mu   sync.Mutex
	errs []error // guarded by mu
}

// sinkState is one sink. Writes to a sink that is not concurrent are serial.
type sinkState[R any] struct {
	sink       Sink[R]
	concurrent bool
	mu         sync.Mutex // held around Write unless concurrent
	began      bool
	writing    atomic.Int32 // calls of Write that run
	dead       atomic.Bool  // it was abandoned: no method of it is called any more
}

// call calls a method of a sink, unless the sink was abandoned, and abandons one that ignores the
// end of ctx.
func (s *sinkSet[R]) call(ctx context.Context, o *sinkState[R], what string, f func() error) error {
	if o.dead.Load() {
		return nil // the error that ends the run is known
	}
	err := within(ctx, s.ignorance, what, f)
	if _, ignored := err.(*ignoredError); ignored { //nolint:errorlint // as within returns it
		o.dead.Store(true)
	}
	return err
}

func newSinkSet[R any](sinks []Sink[R], stopper *stopper, ignorance time.Duration) *sinkSet[R] {
	s := &sinkSet[R]{stopper: stopper, ignorance: ignorance}
	for _, one := range sinks {
		_, concurrent := one.(ConcurrentSink)
		s.list = append(s.list, &sinkState[R]{sink: one, concurrent: concurrent})
	}
	return s
}

func (o *sinkState[R]) write(ctx context.Context, results []Result[R]) error {
	o.writing.Add(1)
	defer o.writing.Add(-1)
	if !o.concurrent {
		o.mu.Lock()
		defer o.mu.Unlock()
	}
	return recovering(func() error { return o.sink.Write(ctx, results) })
}

// borrow reports whether no sink keeps what Write gets.
func (s *sinkSet[R]) borrow() bool {
	return !slices.ContainsFunc(s.list, func(o *sinkState[R]) bool {
		_, borrows := o.sink.(BorrowingSink)
		return !borrows
	})
}

// written is the sum of what the sinks say they have stored. One whose method does not return, or
// panics, says nothing.
func (s *sinkSet[R]) written() int64 {
	var sum int64
	for _, o := range s.list {
		if w, ok := o.sink.(WrittenSink); ok && !o.dead.Load() {
			n, _ := guard.Call(w.Written)
			sum += max(0, n)
		}
	}
	return sum
}

// write sends results to every sink; one that fails stops the run. A sink that rejects successes
// gets them again as failures, which asFailures makes. It returns the rejected ones by their
// position in results, and whether every sink has the results.
func (s *sinkSet[R]) write(ctx context.Context, results []Result[R], asFailures func(batch.Errors) []Result[R]) (rejected batch.Errors, ok bool) {
	ok = true
	for _, o := range s.list {
		err := o.write(ctx, results)
		if some, yes := rejections(results, err); yes {
			if rejected == nil {
				rejected = batch.Errors{}
			}
			maps.Copy(rejected, some)
			err = o.write(ctx, asFailures(some))
		}
		if err != nil {
			s.fail("write", err)
			ok = false
		}
	}
	return rejected, ok
}

// rejections returns the batch.Errors in err, if it names only successes of results.
func rejections[R any](results []Result[R], err error) (batch.Errors, bool) {
	if err == nil { // of nearly every Write
		return nil, false
	}
	some, _ := guard.As[batch.Errors](err)
	if len(some) == 0 {
		return nil, false
	}
	for i, e := range some {
		if i < 0 || i >= len(results) || results[i].Err != nil || e == nil {
			return nil, false
		}
	}
	return some, true
}

// fail records the failure of a sink, which ends the run.
func (s *sinkSet[R]) fail(op string, err error) {
	failure := &SinkError{Op: op, Err: err}
	s.stopper.stop(failure)
	if s.first(failure) {
		s.stopper.log.sinkFailed(failure)
	}
}

// first keeps one of the first errors of the sinks, unless it is known: a sink may return the same
// error from each Write, and from Flush.
func (s *sinkSet[R]) first(failure *SinkError) bool {
	text := errorText(failure.Err)
	s.mu.Lock()
	defer s.mu.Unlock()
	known := slices.ContainsFunc(s.errs, func(o error) bool { return errorText(errors.Unwrap(o)) == text })
	if known || len(s.errs) >= firstFailures {
		return false
	}
	s.errs = append(s.errs, failure)
	return true
}

// failures returns the first errors of the sinks.
func (s *sinkSet[R]) failures() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.errs)
}

// begin calls Begin of the recorders. It stops at the first error.
func (s *sinkSet[R]) begin(ctx context.Context, spec RunSpec) error {
	for _, o := range s.list {
		r, ok := o.sink.(Recorder)
		if !ok {
			continue
		}
		if err := s.call(ctx, o, "Begin", func() error { return r.Begin(ctx, spec) }); err != nil {
			return &SinkError{Op: "begin", Err: err}
		}
		o.began = true
	}
	return nil
}

// resultFolders returns where the sinks write.
func (s *sinkSet[R]) resultFolders() []ownresults.Folder {
	sinks := make([]Sink[R], len(s.list))
	for i, o := range s.list {
		sinks[i] = o.sink
	}
	return ownresults.Collect(sinks)
}

// placer is a sink that knows where it has written the run.
type placer interface{ Place() string }

// place is where the first sink that knows it has written the run: that with the journal, if there
// is one. Empty: no sink does.
func (s *sinkSet[R]) place() (place string) {
	all := s.list
	if s.keeper != nil {
		all = append([]*sinkState[R]{s.keeper}, all...)
	}
	for _, o := range all {
		if p, ok := o.sink.(placer); ok && place == "" {
			_ = isolated(func() error { place = p.Place(); return nil })
		}
	}
	return place
}

// committers returns the sinks that are Committers, by their position, which names their states in
// commits.
func (s *sinkSet[R]) committers() map[string]Committer {
	out := map[string]Committer{}
	for i, o := range s.list {
		if c, ok := o.sink.(Committer); ok {
			out[strconv.Itoa(i)] = c
		}
	}
	return out
}

// sameSinks refuses a run with results of a sink that the call does not have in the same position,
// or with a sink there that does not have the results of the items that are settled: they would be
// missing.
func (s *sinkSet[R]) sameSinks(runID string, p *journal.Progress) error {
	differs := func(format string, at string) error {
		return &SinkError{Op: "open", Err: &SpecError{RunID: runID, Fields: []string{fmt.Sprintf("sinks: "+format, at)}}}
	}
	committers := s.committers()
	for _, at := range slices.Sorted(maps.Keys(p.States)) {
		if committers[at] == nil {
			return differs("the one in position %s does not keep the results of this run, begun with one that does", at)
		}
	}
	for _, at := range slices.Sorted(maps.Keys(committers)) {
		if _, kept := p.States[at]; !kept && p.Counts.Taken > 0 {
			return differs("the one in position %s has none of the results of this run, begun without it", at)
		}
	}
	return nil
}

// restore calls Restore of the committers in a resumed run.
func (s *sinkSet[R]) restore(ctx context.Context, states map[string][]json.RawMessage) error {
	committers := s.committers()
	for _, at := range slices.Sorted(maps.Keys(committers)) {
		if err := within(ctx, s.ignorance, "Restore", func() error { return committers[at].Restore(ctx, states[at]) }); err != nil {
			return &SinkError{Op: "restore", Err: err}
		}
	}
	return nil
}

// flush calls Flush of every sink.
func (s *sinkSet[R]) flush(ctx context.Context) {
	for _, o := range s.list {
		if err := s.call(ctx, o, "Flush", func() error { return o.sink.Flush(ctx) }); err != nil {
			s.fail("flush", err)
		}
	}
}

// end calls End of the recorders that began, except that of the keeper, and returns their errors.
func (s *sinkSet[R]) end(ctx context.Context, e Ending) error {
	var errs []error
	for _, o := range s.list {
		if o != s.keeper {
			errs = append(errs, s.endOne(ctx, o, e))
		}
	}
	return errors.Join(errs...)
}

// endKeeper calls End of the sink that keeps the journal. It comes last: its final record is that
// of the run, which must not exist while another sink lacks its own.
func (s *sinkSet[R]) endKeeper(ctx context.Context, e Ending) error {
	if s.keeper == nil {
		return nil
	}
	return s.endOne(ctx, s.keeper, e)
}

func (s *sinkSet[R]) endOne(ctx context.Context, o *sinkState[R], e Ending) error {
	if !o.began {
		return nil
	}
	if err := s.call(ctx, o, "End", func() error { return o.sink.(Recorder).End(ctx, e) }); err != nil {
		s.fail("end", err)
		return &SinkError{Op: "end", Err: err}
	}
	return nil
}
