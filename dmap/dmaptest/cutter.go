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

// cuts checks a Cutter on its own: its splits are read in turns, so many items at a time, and it is asked where to cut after
// each turn. Readers do not learn that their piece was cut.
func (p planned[T]) cuts(tb testing.TB) {
	cutter, ok := p.src.(dmap.Cutter)
	if !ok {
		return
	}
	for i := range p.splits {
		for _, turn := range []int{1, 7, 100, 1000} {
			if said := p.inTurns(tb, cutter, i, turn); said != "" {
				tb.Errorf("split %q, cut after each %d items: %s", p.splits[i].ID, turn, said)
				break
			}
		}
	}
}

// mostPieces bounds what a split is cut into.
const mostPieces = 64

// inTurns reads split i in turns and says what is wrong with the pieces that were made of it.
func (p planned[T]) inTurns(tb testing.TB, cutter dmap.Cutter, i, turn int) (said string) {
	pieces := []*piece[T]{p.begin(tb, p.splits[i])} // in order
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
		if len(pieces) == mostPieces {
			continue
		}
		which, at, ok, said := ask(tb.Context(), cutter, reading)
		if said != "" {
			return said
		}
		if ok {
			cut := reading[which]
			rest := dmap.Split{ID: cut.now.ID, Object: cut.now.Object, Version: cut.now.Version, From: at, To: cut.now.To}
			cut.now.To = at
			pieces = slices.Insert(pieces, slices.Index(pieces, cut)+1, p.begin(tb, rest))
		}
	}
}

// joined compares pieces, one behind the other, with split i.
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

// piece is what cuts have left of a split, while it is read.
type piece[T any] struct {
	now   dmap.Split // From is where the reader is, To where it stops
	items []dmap.Item[T]
	ended bool
	next  func() (dmap.Item[T], error, bool)
	stop  func()
}

func (p planned[T]) begin(tb testing.TB, s dmap.Split) *piece[T] {
	next, stop := iter.Pull2(p.src.Read(tb.Context(), s))
	return &piece[T]{now: s, next: next, stop: stop}
}

// read reads so many items, or up to the end of the piece.
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

// ask asks where to cut, and says what is wrong with the answer.
func ask[T any](ctx context.Context, cutter dmap.Cutter, reading []*piece[T]) (which int, at dmap.Cursor, ok bool, said string) {
	splits := make([]dmap.Split, len(reading))
	for i, piece := range reading {
		splits[i] = piece.now
	}
	which, at, ok = cutter.Cut(ctx, splits)
	if ok {
		said = misplaced(splits, which, at)
	}
	return which, at, ok, said
}

// misplaced says what is wrong with a cut: there is no such split, or the cursor does not lie within what is left of it.
func misplaced(reading []dmap.Split, which int, at dmap.Cursor) string {
	if which < 0 || which >= len(reading) {
		return fmt.Sprintf("cut of split %d of %d", which, len(reading))
	}
	s := reading[which]
	if compare(at, s.From) <= 0 || s.To != (dmap.Cursor{}) && compare(at, s.To) >= 0 {
		return fmt.Sprintf("cut at %+v, which does not lie between %+v, where the reader is, and the end %+v", at, s.From, s.To)
	}
	return ""
}

func compare(a, b dmap.Cursor) int {
	return cmp.Or(strings.Compare(a.Key, b.Key), cmp.Compare(a.Offset, b.Offset))
}

// run has the engine read a Cutter by many goroutines: once so that the source learns from EndOf where a piece that was
// cut ends, and once so that it does not.
func (p planned[T]) run(tb testing.TB) {
	cutter, ok := p.src.(dmap.Cutter)
	if !ok || cutter.Readers() < 2 {
		return
	}
	for _, deaf := range []bool{false, true} {
		carrier := &carrier[T]{Cutter: cutter, src: p.src, deaf: deaf, asked: make(chan struct{})}
		said := carrier.run(tb.Context(), p)
		if said != "" && deaf {
			said += " (EndOf does not tell where pieces end)"
		}
		if said != "" {
			tb.Errorf("%s", said)
		}
	}
}

// carrier is a source of the items of another, also of those that are skipped or bad, that is read a little only until it
// has been cut.
type carrier[T any] struct {
	dmap.Cutter
	src  dmap.Splitter[T]
	deaf bool

	mu    sync.Mutex // guards what follows
	said  string
	asked chan struct{} // closed at the next answer to where to cut
	got   map[string]dmap.Item[T]
}

func (c *carrier[T]) run(ctx context.Context, p planned[T]) string {
	c.got = map[string]dmap.Item[T]{}
	_, err := dmap.Map(ctx, c, c.take, dmap.Options{MaxConcurrency: 8})
	switch {
	case err != nil:
		return fmt.Sprintf("the run: %v", err)
	case c.said != "":
		return c.said
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

func (c *carrier[T]) take(_ context.Context, item dmap.Item[T]) (struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, doubled := c.got[item.ID()]; doubled {
		c.said = fmt.Sprintf("%q comes twice", item.ID())
	}
	c.got[item.ID()] = item
	return struct{}{}, nil
}

func (c *carrier[T]) Items(ctx context.Context) iter.Seq2[dmap.Item[dmap.Item[T]], error] {
	return carried(c.src.Items(ctx), nil)
}

func (c *carrier[T]) Splits(ctx context.Context) iter.Seq2[dmap.Split, error] {
	return c.src.Splits(ctx)
}

func (c *carrier[T]) Read(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[dmap.Item[T]], error] {
	inner := ctx
	if c.deaf {
		inner = noValues{ctx}
	}
	return carried(c.src.Read(inner, s), func() { c.await(ctx) })
}

// await waits until the engine has asked where to cut, for a moment: it need not.
func (c *carrier[T]) await(ctx context.Context) {
	c.mu.Lock()
	asked := c.asked
	c.mu.Unlock()
	select {
	case <-asked:
	case <-ctx.Done():
	case <-time.After(10 * time.Millisecond):
	}
}

func (c *carrier[T]) Cut(ctx context.Context, reading []dmap.Split) (which int, at dmap.Cursor, ok bool) {
	which, at, ok = c.Cutter.Cut(ctx, reading)
	c.mu.Lock()
	defer c.mu.Unlock()
	if said := misplaced(reading, which, at); ok && said != "" {
		c.said, ok = said, false
	}
	close(c.asked)
	c.asked = make(chan struct{})
	return which, at, ok
}

// carried is seq with each item as a value; after is called when the second is there.
func carried[T any](seq iter.Seq2[dmap.Item[T], error], after func()) iter.Seq2[dmap.Item[dmap.Item[T]], error] {
	return func(yield func(dmap.Item[dmap.Item[T]], error) bool) {
		n := 0
		for item, err := range seq {
			if n++; n == 2 && after != nil {
				after()
			}
			if !yield(dmap.Item[dmap.Item[T]]{Key: item.Key, Offset: item.Offset, Index: item.Index, Next: item.Next, Value: item}, err) {
				return
			}
		}
	}
}

// noValues hides the values of a context, and with them the piece that EndOf looks for.
type noValues struct{ context.Context }

func (noValues) Value(any) any { return nil }
