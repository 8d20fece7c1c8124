package dmaptest

import (
	"iter"
	"testing"

	"github.com/go-dmap/dmap/dmap"
)

// TestSource checks the contract of [dmap.Source]: the same items in the same order at every
// reading, also of two at once; unique IDs; indexes from 0; nothing after a break or an error; and
// a canceled context never makes a reading silently shorter.
//
// If the source is a [dmap.Planner], TestSource checks everything that its Plan claims. The splits
// in order are the items; they are the same each time, survive JSON, and those of one ID are in
// order and do not overlap. A split can be read from every Item.Next of it, from many goroutines at
// once. Fill fills in what Read yields; Resume plans the items that are not settled; Whole is all
// items. Each division by TrySplit lies between the reader and the end of its split, and the pieces
// are the split, each item once, whether Read looks at [dmap.EndOf] or not. Pieces for several
// machines (Sharing, Skim) are the source, also if they are divided again. A function that is nil
// is not checked: compare the Plan with what you expect.
//
// open returns the source, a new one for each check. It has 2 to 100,000 items; a few dozen are
// best. Give it several splits, and a source with TrySplit enough items that it divides. Of splits
// with more than 200 items some cursors are tried, not all. equal compares values, at most one;
// without it that is reflect.DeepEqual. TestSource returns the items, for what the suite cannot
// know.
func TestSource[T any](t *testing.T, open func(tb testing.TB) dmap.Source[T], equal ...func(a, b T) bool) []dmap.Item[T] {
	t.Helper()
	src := open(t)
	runAll(t, sourceChecks(open, compareBy(equal)))
	if _, ok := src.(dmap.Planner[T]); ok {
		runAll(t, planChecks(open, compareBy(equal)))
	}
	items, err := collect(src.Items(t.Context()), -1)
	if err != nil {
		t.Fatalf("dmaptest: read of the source: %v", err)
	}
	return items
}

func sourceChecks[T any](open func(tb testing.TB) dmap.Source[T], by comparison[T]) []check {
	rule := func(name string, run func(tb testing.TB, src dmap.Source[T], want []dmap.Item[T])) check {
		return check{name, func(tb testing.TB) {
			src := open(tb)
			run(tb, src, itemsOf(tb, src))
		}}
	}
	return []check{
		rule("items are well formed", wellFormed[T]),
		rule("reading again yields the same", func(tb testing.TB, src dmap.Source[T], want []dmap.Item[T]) {
			again, err := collect(src.Items(tb.Context()), -1)
			if d := by.diff(again, want, true); err != nil || d != "" {
				tb.Errorf("the second reading: %s (error: %v)", d, err)
			}
		}),
		rule("two readings at once do not affect each other", func(tb testing.TB, src dmap.Source[T], want []dmap.Item[T]) {
			interleaved(tb, src, want, by)
		}),
		rule("break ends the reading", func(tb testing.TB, src dmap.Source[T], want []dmap.Item[T]) {
			breaks(tb, func() iter.Seq2[dmap.Item[T], error] { return src.Items(tb.Context()) }, want, by)
		}),
		rule("a canceled context does not shorten a reading silently", func(tb testing.TB, src dmap.Source[T], want []dmap.Item[T]) {
			ctx, end := endable(tb)
			end()
			got, err := collect(src.Items(ctx), -1)
			if e := ended(len(got), len(want), err); e != "" {
				tb.Errorf("the context was canceled before the reading: it %s", e)
			}
			ctx, end = endable(tb)
			defer end()
			got, err = collect(endAfter(src.Items(ctx), len(want)/2, end), -1)
			if e := ended(len(got), len(want), err); e != "" {
				tb.Errorf("the context was canceled after %d items: the reading %s", len(want)/2, e)
			}
		}),
	}
}

// itemsOf reads src, which every other check then compares with.
func itemsOf[T any](tb testing.TB, src dmap.Source[T]) []dmap.Item[T] {
	tb.Helper()
	items, err := collect(src.Items(tb.Context()), -1)
	switch {
	case err != nil:
		tb.Fatalf("read of the source: %v", err)
	case len(items) < 2:
		tb.Fatalf("the source has %d items: the suite needs at least 2 to tell right from wrong", len(items))
	}
	return items
}

// wellFormed looks at each item by itself, and at its place among the others.
func wellFormed[T any](tb testing.TB, src dmap.Source[T], items []dmap.Item[T]) {
	_, splits := src.(dmap.Planner[T])
	seen := map[string]int{}
	for i, item := range items {
		id := item.ID()
		if first, doubled := seen[id]; doubled {
			tb.Errorf("items %d and %d have the same ID %q", first, i, id)
		}
		seen[id] = i
		if item.Offset < dmap.WholeObject {
			tb.Errorf("item %d %q has Offset %d: want a position, or WholeObject", i, id, item.Offset)
		}
		if item.Size < 0 {
			tb.Errorf("item %d %q has Size %d", i, id, item.Size)
		}
		first := i == 0 || splits && item.Index == 0 // of a split
		if first && item.Index != 0 || !first && item.Index != items[i-1].Index+1 {
			tb.Errorf("item %d %q has Index %d: want one more than that of the item before it, from 0", i, id, item.Index)
		}
	}
}

// interleaved reads src twice, taking items in turn.
func interleaved[T any](tb testing.TB, src dmap.Source[T], want []dmap.Item[T], by comparison[T]) {
	next1, stop1 := iter.Pull2(src.Items(tb.Context()))
	defer stop1()
	next2, stop2 := iter.Pull2(src.Items(tb.Context()))
	defer stop2()
	for i, w := range want {
		for n, next := range []func() (dmap.Item[T], error, bool){next1, next2} {
			got, err, ok := next()
			if !ok || err != nil {
				tb.Fatalf("reading %d of two ends before item %d %q (error: %v)", n+1, i, w.ID(), err)
			}
			if d := by.same(got, w, true); d != "" {
				tb.Fatalf("reading %d of two: item %d %s", n+1, i, d)
			}
		}
	}
}

// breaks stops a new reading after each number of items.
func breaks[T any](tb testing.TB, read func() iter.Seq2[dmap.Item[T], error], want []dmap.Item[T], by comparison[T]) {
	tb.Helper()
	for _, i := range some(len(want)) {
		got, err := collect(read(), i+1)
		if err != nil {
			tb.Fatalf("break after %d items: %v", i+1, err)
		}
		if d := by.diff(got, want[:i+1], true); d != "" {
			tb.Fatalf("break after %d items: %s", i+1, d)
		}
	}
}

// endAfter is seq, with end called after n values.
func endAfter[V any](seq iter.Seq2[V, error], n int, end func()) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		i := 0
		seq(func(v V, err error) bool {
			if i++; i == n {
				end()
			}
			return yield(v, err)
		})
	}
}
