package dmap

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// readers is how many splits are read at once.
const readers = 8

// reading turns a source into chunks: one goroutine plans splits, a few read them.
type reading[T, R any] struct {
	e   *engine[T, R]
	src Splitter[T]

	mu     sync.Mutex
	left   []Split // begun or planned, and not read to their end
	last   *Split  // the last split that a reader took
	whole  bool    // planning reached its end
	splits chan Split
	taken  int64       // counted for MaxItems only, when there is one reader
	exited atomic.Bool // the source ended the goroutine of a reader
}

var (
	errEnough  = errors.New("enough items") // MaxItems is reached
	errStopped = errors.New("stopped")      // the gate takes nothing more
)

// run reads the source to its end, to MaxItems, or until the run stops. all says that nothing is left to read; err is
// what was wrong with the source.
func (r *reading[T, R]) run(ctx context.Context) (all bool, err error) {
	if r.e.enough() {
		return true, nil
	}
	r.taken = r.e.taken
	group, ctx := errgroup.WithContext(ctx)
	r.splits = make(chan Split)
	group.Go(func() error {
		defer close(r.splits)
		return r.guarded(func() error { return r.plan(ctx) })
	})
	n := readers
	if r.e.inOrder() {
		n = 1
	}
	for range n {
		group.Go(func() error { return r.guarded(func() error { return r.readSplits(ctx) }) })
	}
	err = group.Wait()
	switch {
	case err == nil && r.exited.Load():
		return false, &SourceError{Source: r.e.sourceName, Err: ErrGoexit}
	case err == nil, errors.Is(err, errEnough):
		return true, nil
	case errors.Is(err, errStopped), r.e.stopping.Load():
		return false, nil
	default:
		return false, err
	}
}

// guarded turns a panic or Goexit of the source into an error.
func (r *reading[T, R]) guarded(f func() error) (err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		p := recover()
		if p == nil {
			r.exited.Store(true) // the goroutine ends here, so nobody gets err
			return
		}
		err = &SourceError{Source: r.e.sourceName, Err: Recovered(p)}
	}()
	err = f()
	returned = true
	return err
}

func (r *reading[T, R]) plan(ctx context.Context) error {
	for s, err := range r.src.Splits(ctx) {
		if err != nil {
			return r.wrong(Split{}, err)
		}
		for _, piece := range r.e.base.rest(s) {
			select {
			case r.splits <- piece:
			case <-ctx.Done():
				return errStopped
			}
		}
		r.took(s)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.whole = true
	return nil
}

func (r *reading[T, R]) took(s Split) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = &s
}

func (r *reading[T, R]) readSplits(ctx context.Context) error {
	for s := range r.splits {
		if err := r.readSplit(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// readSplit reads s to its end. Whatever keeps it from that, s is noted as left from the item after the last one read.
func (r *reading[T, R]) readSplit(ctx context.Context, s Split) (err error) {
	in := &intake[T, R]{split: &s, from: s.From, at: s.From, limits: r.e.chunkLimits, fresh: r.e.recycler.chunk, hand: r.e.hand}
	finished := false
	defer func() {
		if !in.flush() && err == nil {
			err = errStopped
		}
		if finished && err == nil {
			r.e.handRest(in.rest(s.To))
			return
		}
		left := s
		left.From = in.at
		r.leave(left)
	}()
	for item, err := range r.src.Read(ctx, s) {
		if err == nil {
			err = r.check(s, in.at, &item)
		}
		if err != nil {
			return r.wrong(s, err)
		}
		if s.To != (Cursor{}) && item.Next.compare(s.To) > 0 {
			break // the source does not know the end of a piece that was cut
		}
		if err := r.item(in, &item); err != nil {
			return err
		}
	}
	finished = true
	return nil
}

// check refuses cursors that do not grow: a journal could not tell what is settled.
func (r *reading[T, R]) check(s Split, before Cursor, item *Item[T]) error {
	if r.e.commits.journal != nil && item.Next.compare(before) <= 0 {
		return fmt.Errorf("split %q, item %q: its Next %+v does not lie behind %+v", s.ID, item.ID(), item.Next, before)
	}
	return nil
}

func (r *reading[T, R]) item(in *intake[T, R], item *Item[T]) error {
	if errors.Is(item.Err, ErrSkip) {
		r.e.counts.read.Add(1)
		r.e.counts.skipped.Add(1)
		in.skip(item)
		if r.e.stopping.Load() {
			return errStopped
		}
		return nil
	}
	if !in.add(item) {
		return errStopped
	}
	if r.e.opts.MaxItems == 0 {
		return nil
	}
	if r.taken++; r.taken == r.e.opts.MaxItems {
		r.e.truncated.Store(true)
		return errEnough
	}
	return nil
}

func (r *reading[T, R]) leave(s Split) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = append(r.left, s)
}

func (r *reading[T, R]) wrong(s Split, err error) error {
	if r.e.readCtx.Err() != nil {
		return errStopped // most likely the error is the context's
	}
	return &SourceError{Source: r.e.sourceName, Split: s, Err: err}
}

// unread returns what was not read. It is called when run has returned.
func (r *reading[T, R]) unread() Unread {
	u := Unread{Splits: r.left}
	if !r.whole {
		u.After, u.All = r.last, r.last == nil
	}
	return u
}

// sourceName is what errors and records call a source.
func sourceName(src any) string {
	if s, ok := src.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("%T", src)
}
