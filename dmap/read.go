package dmap

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// readers is how many splits are read at once.
const readers = 8

// reading turns a source into chunks: one goroutine plans splits, a few read them.
type reading[T, R any] struct {
	e   *engine[T, R]
	src Plan[T]

	mu     sync.Mutex
	left   []Split // begun or planned, and not read to their end
	last   *Split  // the last split that a reader took
	whole  bool    // planning reached its end
	splits chan *piece
	cuts   *cuts       // nil: readers that run out of splits leave
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
	r.splits = make(chan *piece)
	n := r.readers()
	group.Go(func() error {
		defer close(r.splits)
		return r.guarded(func() error { return r.plan(ctx) })
	})
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

// readers is how many goroutines read. It readies the cuts if there are to be any.
func (r *reading[T, R]) readers() int {
	if r.e.inOrder() {
		return 1
	}
	if r.src.TrySplit != nil {
		r.cuts = newCuts(r.src.TrySplit)
	}
	if r.src.Readers < 1 {
		return readers
	}
	return r.src.Readers
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
	for s, err := range r.pieces(ctx) {
		if err != nil {
			return r.wrong(Split{}, err)
		}
		if was, changed := r.e.base.differs(s); changed {
			what := fmt.Sprintf("version of %q: %s, begun with %s", s.ID, s.Version, was)
			return r.wrong(s, &SpecError{RunID: r.e.opts.RunID, Fields: []string{what}})
		}
		for _, piece := range r.e.base.rest(s) {
			select {
			case r.splits <- r.begin(piece):
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

// pieces are the splits of the source; of a run that goes on perhaps only those with something left.
func (r *reading[T, R]) pieces(ctx context.Context) iter.Seq2[Split, error] {
	if r.src.Resume != nil && len(r.e.base) > 0 {
		return r.src.Resume(ctx, r.e.base.upTo)
	}
	return r.src.Splits(ctx)
}

func (r *reading[T, R]) took(s Split) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = &s
}

func (r *reading[T, R]) readSplits(ctx context.Context) error {
	for p := range r.splits {
		if err := r.readPiece(ctx, p); err != nil {
			return err
		}
	}
	if r.cuts == nil {
		return nil
	}
	for p := r.cuts.next(ctx); p != nil; p = r.cuts.next(ctx) {
		if err := r.readSplit(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// readPiece reads p the way that the source is best at.
func (r *reading[T, R]) readPiece(ctx context.Context, p *piece) error {
	if r.src.Fill != nil && r.cuts == nil {
		return r.fillSplit(ctx, p.split)
	}
	return r.readSplit(ctx, p)
}

// begin makes a piece of a split. From then on it can be cut.
func (r *reading[T, R]) begin(s Split) *piece {
	if r.cuts == nil {
		return &piece{split: s}
	}
	return r.cuts.begin(s)
}

// readSplit reads p to its end. Whatever keeps it from that, p is noted as left from the item after the last one read.
func (r *reading[T, R]) readSplit(ctx context.Context, p *piece) (err error) {
	s := p.now()
	in := &intake[T, R]{split: &s, from: s.From, at: s.From, limits: r.e.chunkLimits, fresh: r.e.recycler.chunk, hand: r.e.hand}
	finished := false
	defer func() {
		to := s.To
		if r.cuts != nil {
			to = r.cuts.end(p)
		}
		if !in.flush() && err == nil {
			err = errStopped
		}
		if finished && err == nil {
			r.e.handRest(in.rest(to))
			return
		}
		left := s
		left.From, left.To = in.at, to
		r.leave(left)
	}()
	var n int64
	if r.cuts != nil {
		ctx = context.WithValue(ctx, pieceKey{}, p)
	}
	for item, err := range r.src.Read(ctx, s) {
		if err == nil {
			err = r.check(s, in.at, &item)
		}
		if err != nil {
			return r.wrong(s, err)
		}
		if !r.mine(p, &item) {
			break // the source does not know the end of a piece that was cut
		}
		if err := r.item(in, &item); err != nil {
			return err
		}
		if r.cuts != nil {
			r.cuts.progress(n)
			n++
		}
	}
	finished = true
	return nil
}

// mine says whether an item that the source yields for p belongs to it: p may have been cut in the meantime.
func (r *reading[T, R]) mine(p *piece, item *Item[T]) bool {
	if r.cuts != nil {
		return p.advance(item.Next)
	}
	to := p.split.To
	return to == Cursor{} || item.Next.compare(to) <= 0
}

// check refuses cursors that do not grow in a run with a journal, which could not tell what is settled.
func (r *reading[T, R]) check(s Split, before Cursor, item *Item[T]) error {
	if r.e.commits.journal == nil {
		return nil
	}
	return grows(&s, before, item)
}

func grows[T any](s *Split, before Cursor, item *Item[T]) error {
	if item.Next.compare(before) > 0 {
		return nil
	}
	return fmt.Errorf("split %q, item %q: its Next %+v does not lie behind %+v", s.ID, item.ID(), item.Next, before)
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
	return r.count(1)
}

// count takes note of items that were taken. It is errEnough with the last that MaxItems allows.
func (r *reading[T, R]) count(n int) error {
	if r.e.opts.MaxItems == 0 {
		return nil
	}
	if r.taken += int64(n); r.taken == r.e.opts.MaxItems {
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
		u.After, u.All, u.Settled = r.last, r.last == nil, r.e.base.all()
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
