package dmaptest

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// divide checks TrySplit without the engine: the pieces of a split are read in turns, a number of
// items at a time, and TrySplit is called after each turn. Readers do not learn that their piece
// was divided.
func (p planned[T]) divide(tb testing.TB) {
	if p.plan.TrySplit == nil {
		return
	}
	for i := range p.splits {
		for _, turn := range []int{1, 7, 100, 1000} {
			if wrong := p.inTurns(tb, i, turn); wrong != "" {
				tb.Errorf("split %q, with TrySplit after every %d items: %s", p.splits[i].ID, turn, wrong)
				break
			}
		}
	}
}

// maxPieces bounds the pieces of a split.
const maxPieces = 64

// inTurns reads split i in turns and describes the fault of its pieces.
func (p planned[T]) inTurns(tb testing.TB, i, turn int) (wrong string) {
	pieces := []*piece[T]{p.startPiece(tb, p.splits[i])} // in order
	defer func() {
		for _, piece := range pieces {
			piece.stop()
		}
	}()
	for n := 0; ; n++ {
		var reading []*piece[T]
		for _, piece := range pieces {
			if !piece.ended {
				reading = append(reading, piece)
			}
		}
		if len(reading) == 0 {
			return p.joined(i, pieces)
		}
		if err := reading[n%len(reading)].read(turn); err != nil {
			return err.Error()
		}
		if len(pieces) == maxPieces {
			continue
		}
		which, at, ok, wrong := p.trySplit(tb.Context(), reading)
		if wrong != "" {
			return wrong
		}
		if ok {
			first := reading[which]
			rest := first.now
			rest.From, first.now.To = at, at
			pieces = slices.Insert(pieces, slices.Index(pieces, first)+1, p.startPiece(tb, rest))
		}
	}
}

// joined compares pieces, in order, with split i.
func (p planned[T]) joined(i int, pieces []*piece[T]) string {
	var all []dmap.Item[T]
	for n, piece := range pieces {
		for j, item := range piece.items {
			if item.Index != int64(j) {
				return fmt.Sprintf("item %d of piece %d, %q, has Index %d", j, n, item.ID(), item.Index)
			}
		}
		all = append(all, piece.items...)
	}
	if d := p.by.diff(all, p.parts[i], false); d != "" {
		return fmt.Sprintf("%d pieces in order, compared with the split: %s", len(pieces), d)
	}
	return ""
}

// piece is a part of a split while it is read.
type piece[T any] struct {
	now   dmap.Split // From is the position of the reader, To where it stops
	items []dmap.Item[T]
	ended bool
	next  func() (dmap.Item[T], error, bool)
	stop  func()
}

func (p planned[T]) startPiece(tb testing.TB, s dmap.Split) *piece[T] {
	next, stop := iter.Pull2(p.plan.Read(tb.Context(), s))
	return &piece[T]{now: s, next: next, stop: stop}
}

// read reads n items, or fewer at the end of the piece.
func (p *piece[T]) read(n int) error {
	for range n {
		item, err, ok := p.next()
		if err != nil {
			return fmt.Errorf("read of %+v: %w", p.now, err)
		}
		if !ok || p.now.To != (dmap.Cursor{}) && compare(item.Next, p.now.To) > 0 {
			p.ended = true
			return nil
		}
		p.items = append(p.items, item)
		p.now.From = item.Next
	}
	return nil
}

// trySplit calls TrySplit and describes the fault of the answer.
func (p planned[T]) trySplit(ctx context.Context, reading []*piece[T]) (which int, at dmap.Cursor, ok bool, wrong string) {
	splits := make([]dmap.Split, len(reading))
	for i, piece := range reading {
		splits[i] = piece.now
	}
	which, at, ok = p.plan.TrySplit(ctx, splits)
	if ok {
		wrong = misplaced(splits, which, at)
	}
	return which, at, ok, wrong
}

// misplaced describes the fault of a division: there is no such split, or the cursor does not
// lie inside the part of it that has not been read.
func misplaced(reading []dmap.Split, which int, at dmap.Cursor) string {
	if which < 0 || which >= len(reading) {
		return fmt.Sprintf("TrySplit chose split %d of %d", which, len(reading))
	}
	s := reading[which]
	if compare(at, s.From) <= 0 || s.To != (dmap.Cursor{}) && compare(at, s.To) >= 0 {
		return fmt.Sprintf("TrySplit chose %+v: want a cursor between %+v, the position of the reader, and the end %+v", at, s.From, s.To)
	}
	return ""
}

func compare(a, b dmap.Cursor) int {
	return cmp.Or(strings.Compare(a.Key, b.Key), cmp.Compare(a.Offset, b.Offset))
}

// runDivided has the engine read the source with several readers: once so that Read learns from
// EndOf where a divided piece ends, and once so that it does not.
func (p planned[T]) runDivided(tb testing.TB) {
	if p.plan.TrySplit == nil || p.plan.Readers == 1 {
		return
	}
	for _, hideEnd := range []bool{false, true} {
		c := &carrier[T]{src: p.src, plan: p.plan, hideEnd: hideEnd, answered: make(chan struct{})}
		wrong := c.run(tb.Context(), p)
		if wrong != "" && hideEnd {
			wrong += " (EndOf does not tell where pieces end)"
		}
		if wrong != "" {
			tb.Errorf("%s", wrong)
		}
	}
}

// carrier is a source whose values are the items of another, also the skipped and the bad ones, as
// any: so all sources share one engine, which a compiler makes anew for each type. Its readers wait
// at their second item until TrySplit has been called.
type carrier[T any] struct {
	src     dmap.Source[T]
	plan    dmap.Plan[T] // of src
	hideEnd bool

	mu       sync.Mutex // guards the fields below
	wrong    string
	answered chan struct{} // closed by the next answer of TrySplit
	got      map[string]dmap.Item[T]
}

func (c *carrier[T]) run(ctx context.Context, p planned[T]) string {
	c.got = map[string]dmap.Item[T]{}
	_, err := dmap.Map(ctx, c, c.take, dmap.Options{MaxConcurrency: 8})
	switch {
	case err != nil:
		return fmt.Sprintf("the run: %v", err)
	case c.wrong != "":
		return c.wrong
	}
	for _, part := range p.parts {
		for _, want := range part {
			got, ok := c.got[want.ID()]
			if !ok {
				return fmt.Sprintf("%q is lost", want.ID())
			}
			if d := p.by.same(got, want, false); d != "" {
				return "item " + d
			}
			delete(c.got, want.ID())
		}
	}
	for id := range c.got {
		return fmt.Sprintf("%q is not in the splits", id)
	}
	return ""
}

func (c *carrier[T]) take(_ context.Context, value any) (struct{}, error) {
	item := value.(dmap.Item[T]) // of carried
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, doubled := c.got[item.ID()]; doubled {
		c.wrong = fmt.Sprintf("%q comes twice", item.ID())
	}
	c.got[item.ID()] = item
	return struct{}{}, nil
}

func (c *carrier[T]) Items(ctx context.Context) iter.Seq2[dmap.Item[any], error] {
	return carried(c.src.Items(ctx), nil)
}

// Plan is that of the source, without Fill and Resume.
func (c *carrier[T]) Plan() dmap.Plan[any] {
	return dmap.Plan[any]{Splits: c.plan.Splits, Read: c.read, TrySplit: c.trySplit, Readers: c.plan.Readers}
}

func (c *carrier[T]) read(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[any], error] {
	inner := ctx
	if c.hideEnd {
		inner = noValues{ctx}
	}
	return carried(c.plan.Read(inner, s), func() { c.await(ctx) })
}

// await waits for the next answer of TrySplit, but not for long: the engine may never call it.
func (c *carrier[T]) await(ctx context.Context) {
	c.mu.Lock()
	answered := c.answered
	c.mu.Unlock()
	select {
	case <-answered:
	case <-ctx.Done():
	case <-time.After(10 * time.Millisecond):
	}
}

func (c *carrier[T]) trySplit(ctx context.Context, reading []dmap.Split) (which int, at dmap.Cursor, ok bool) {
	which, at, ok = c.plan.TrySplit(ctx, reading)
	c.mu.Lock()
	defer c.mu.Unlock()
	if wrong := misplaced(reading, which, at); ok && wrong != "" {
		c.wrong, ok = wrong, false
	}
	close(c.answered)
	c.answered = make(chan struct{})
	return which, at, ok
}

// carried is seq with each item as a value; atSecond is called before the second is yielded.
func carried[T any](seq iter.Seq2[dmap.Item[T], error], atSecond func()) iter.Seq2[dmap.Item[any], error] {
	return func(yield func(dmap.Item[any], error) bool) {
		n := 0
		for item, err := range seq {
			if n++; n == 2 && atSecond != nil {
				atSecond()
			}
			if !yield(dmap.Item[any]{Key: item.Key, Offset: item.Offset, Index: item.Index, Next: item.Next, Value: item}, err) {
				return
			}
		}
	}
}

// noValues hides the values of a context, among them the piece that EndOf looks for.
type noValues struct{ context.Context }

func (noValues) Value(any) any { return nil }
