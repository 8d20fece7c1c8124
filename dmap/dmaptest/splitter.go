package dmaptest

import (
	"encoding/json"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// TestSplitter checks the contract of dmap.Splitter on top of that of TestSource, whose arguments and result it shares:
// the splits in order are the items; they are the same each time, are planned no further than asked and survive JSON; those
// of one ID lie one behind the other; a split can be read from every Item.Next of it, from many goroutines at once. A
// dmap.Filler fills in what it reads, and a dmap.Resumer plans what is left. Where it is a dmap.Cutter, cuts lie before the
// reader, and the pieces of a split that is cut while it is read are that split, each item once, whether readers learn of
// their new end from dmap.EndOf or not.
//
// Give it a source that comes in several splits, and a Cutter so much that it cuts. Of splits with more than 200 items some
// cursors are tried, not all.
func TestSplitter[T any](t *testing.T, open func(tb testing.TB) dmap.Splitter[T], equal ...func(a, b T) bool) []dmap.Item[T] {
	t.Helper()
	items := TestSource(t, func(tb testing.TB) dmap.Source[T] { return open(tb) }, equal...)
	runAll(t, splitterChecks(open, compareBy(equal)))
	return items
}

// planned is a splitter with what it says of itself.
type planned[T any] struct {
	src    dmap.Splitter[T]
	items  []dmap.Item[T]
	splits []dmap.Split
	parts  [][]dmap.Item[T] // the items of each split
	by     comparison[T]
}

func splitterChecks[T any](open func(tb testing.TB) dmap.Splitter[T], by comparison[T]) []check {
	rule := func(name string, run func(p planned[T], tb testing.TB)) check {
		return check{name, func(tb testing.TB) { run(plan(tb, open(tb), by), tb) }}
	}
	return []check{
		rule("splits are well formed and the same each time", planned[T].wellFormed),
		rule("the splits in order are the items", planned[T].tile),
		rule("break ends planning and reading", planned[T].breaks),
		rule("every cursor leads to the rest", planned[T].resume),
		rule("splits survive JSON", planned[T].json),
		rule("splits can be read at once", planned[T].concurrent),
		rule("what is filled in is what is read", planned[T].filled),
		rule("a resume plans what is not settled", planned[T].resumed),
		rule("a context that ends is no end of a split", planned[T].ended),
		rule("pieces that are cut while they are read are the split", planned[T].cuts),
		rule("the engine reads cut pieces once each", planned[T].run),
	}
}

// plan reads src whole and in splits.
func plan[T any](tb testing.TB, src dmap.Splitter[T], by comparison[T]) planned[T] {
	tb.Helper()
	p := planned[T]{src: src, items: itemsOf(tb, src), by: by}
	var err error
	if p.splits, err = collect(src.Splits(tb.Context()), -1); err != nil {
		tb.Fatalf("plan of the splits: %v", err)
	}
	for _, s := range p.splits {
		part, err := collect(src.Read(tb.Context(), s), -1)
		if err != nil {
			tb.Fatalf("read of split %q: %v", s.ID, err)
		}
		p.parts = append(p.parts, part)
	}
	return p
}

func (p planned[T]) wellFormed(tb testing.TB) {
	again, err := collect(p.src.Splits(tb.Context()), -1)
	if err != nil || len(again) != len(p.splits) {
		tb.Fatalf("the second plan has %d splits, the first %d (error: %v)", len(again), len(p.splits), err)
	}
	last := map[string]int{} // the last split of each ID
	for i, s := range p.splits {
		if again[i] != s {
			tb.Errorf("split %d is %+v in the second plan, %+v in the first", i, again[i], s)
		}
		if s.ID == "" {
			tb.Errorf("split %d has no ID", i)
		}
		if before, doubled := last[s.ID]; doubled && !behind(p.splits[before], s) {
			tb.Errorf("splits %d and %d have the same ID %q, but %d does not begin where %d ends or behind that", before, i, s.ID, i, before)
		}
		last[s.ID] = i
	}
}

// behind reports whether b, a split of the same ID as a, has nothing of a.
func behind(a, b dmap.Split) bool {
	return a.To != dmap.Cursor{} && compare(a.To, b.From) <= 0
}

func (p planned[T]) tile(tb testing.TB) {
	var all []dmap.Item[T]
	for i, part := range p.parts {
		for j, item := range part {
			if item.Index != int64(j) {
				tb.Errorf("split %q: item %d %q has Index %d: want %d", p.splits[i].ID, j, item.ID(), item.Index, j)
			}
		}
		all = append(all, part...)
	}
	if d := p.by.diff(all, p.items, true); d != "" {
		tb.Errorf("the splits in order, compared with Items: %s", d)
	}
}

func (p planned[T]) breaks(tb testing.TB) {
	for _, i := range some(len(p.splits)) {
		got, err := collect(p.src.Splits(tb.Context()), i+1)
		if err != nil || len(got) != i+1 {
			tb.Fatalf("break after %d splits: got %d (error: %v)", i+1, len(got), err)
		}
	}
	for i, s := range p.splits {
		breaks(tb, func() iter.Seq2[dmap.Item[T], error] { return p.src.Read(tb.Context(), s) }, p.parts[i], p.by)
	}
}

func (p planned[T]) resume(tb testing.TB) {
	for i, s := range p.splits {
		for _, j := range some(len(p.parts[i])) {
			if err := p.rest(tb, i, j, p.from(i, j)); err != nil {
				tb.Fatalf("split %q from %+v, the cursor after item %d %q: %v",
					s.ID, p.parts[i][j].Next, j, p.parts[i][j].ID(), err)
			}
		}
	}
}

// from is split i as it is left after its item j.
func (p planned[T]) from(i, j int) dmap.Split {
	s := p.splits[i]
	s.From = p.parts[i][j].Next
	return s
}

// rest reads s and says how that differs from what follows item j of split i.
func (p planned[T]) rest(tb testing.TB, i, j int, s dmap.Split) error {
	got, err := collect(p.src.Read(tb.Context(), s), -1)
	if err != nil {
		return err
	}
	if d := p.by.diff(got, p.parts[i][j+1:], false); d != "" {
		return fmt.Errorf("compared with the rest of the split: %s", d)
	}
	return nil
}

func (p planned[T]) json(tb testing.TB) {
	travel := func(s dmap.Split) (back dmap.Split) {
		text, err := json.Marshal(s)
		if err == nil {
			err = json.Unmarshal(text, &back)
		}
		if err != nil || back != s {
			tb.Fatalf("split %+v comes back from JSON as %+v (error: %v)", s, back, err)
		}
		return back
	}
	for i, s := range p.splits {
		if err := p.rest(tb, i, -1, travel(s)); err != nil {
			tb.Errorf("split %q after its way through JSON: %v", s.ID, err)
		}
		if j := len(p.parts[i]) / 2; j < len(p.parts[i]) {
			if err := p.rest(tb, i, j, travel(p.from(i, j))); err != nil {
				tb.Errorf("split %q from its item %d on after its way through JSON: %v", s.ID, j, err)
			}
		}
	}
}

// concurrent reads the splits from 4 goroutines, each of which begins with another one. All are inside their first split at
// the same time.
func (p planned[T]) concurrent(tb testing.TB) {
	var wg sync.WaitGroup
	defer wg.Wait()
	inside := newMeeting(4)
	for n := range 4 {
		wg.Go(func() {
			arrive := sync.OnceFunc(inside.arrive)
			defer arrive()
			for k := range p.splits {
				i := (k + n*len(p.splits)/4) % len(p.splits)
				read := endAfter(p.src.Read(tb.Context(), p.splits[i]), 1, arrive)
				got, err := collect(read, -1)
				if d := p.by.diff(got, p.parts[i], true); err != nil || d != "" {
					tb.Errorf("split %q, read while others are: %s (error: %v)", p.splits[i].ID, d, err)
					return
				}
			}
		})
	}
}

func (p planned[T]) ended(tb testing.TB) {
	ctx, end := endable(tb)
	end()
	splits, err := collect(p.src.Splits(ctx), -1)
	if e := ended(len(splits), len(p.splits), err); e != "" {
		tb.Errorf("the context ended before the planning: it %s", e)
	}
	for i, s := range p.splits {
		got, err := collect(p.src.Read(ctx, s), -1)
		if e := ended(len(got), len(p.parts[i]), err); e != "" {
			tb.Errorf("the context ended before split %q was read: the reading %s", s.ID, e)
		}
	}
}

// meeting lets goroutines wait for each other once, for a second at most: a source may admit one after the other.
type meeting struct {
	mu      sync.Mutex
	missing int // guarded by mu
	all     chan struct{}
}

func newMeeting(n int) *meeting { return &meeting{missing: n, all: make(chan struct{})} }

// arrive waits until it has been called as often as the meeting has members.
func (m *meeting) arrive() {
	m.mu.Lock()
	if m.missing--; m.missing == 0 {
		close(m.all)
	}
	m.mu.Unlock()
	select {
	case <-m.all:
	case <-time.After(time.Second):
	}
}
