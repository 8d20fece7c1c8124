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

// planned is a source together with its Plan and all its splits and items.
type planned[T any] struct {
	src    dmap.Source[T]
	plan   dmap.Plan[T]
	items  []dmap.Item[T] // of Items
	splits []dmap.Split
	parts  [][]dmap.Item[T] // the items of each split
	by     comparison[T]
}

// planChecks are the rules for a source that is a dmap.Planner.
func planChecks[T any](open func(tb testing.TB) dmap.Source[T], by comparison[T]) []check {
	rule := func(name string, run func(p planned[T], tb testing.TB)) check {
		return check{name, func(tb testing.TB) { run(readPlan(tb, open(tb), by), tb) }}
	}
	return []check{
		rule("the Plan has the required functions", planned[T].complete),
		rule("splits are well formed and the same each time", planned[T].wellFormed),
		rule("Version is the same each time", planned[T].versions),
		rule("the splits in order are the items", planned[T].tile),
		rule("break ends Splits and Read", planned[T].breaks),
		rule("every cursor leads to the rest", planned[T].resumeRead),
		rule("splits survive JSON", planned[T].json),
		rule("splits can be read concurrently", planned[T].concurrent),
		rule("Fill fills in what Read yields", planned[T].fillAll),
		rule("Resume plans the items that are not settled", planned[T].resumeAll),
		rule("Whole is the source as one split", planned[T].whole),
		rule("Rest compares the content before a position", planned[T].compares),
		rule("a canceled context does not shorten a split silently", planned[T].canceled),
		rule("the pieces of a divided split are the split", planned[T].divide),
		rule("the engine reads each piece once", planned[T].runDivided),
		rule("pieces for several machines are the source", planned[T].shared),
	}
}

// readPlan reads src whole and in splits.
func readPlan[T any](tb testing.TB, src dmap.Source[T], by comparison[T]) planned[T] {
	tb.Helper()
	p := planned[T]{src: src, plan: dmap.PlanOf(src), by: by}
	if p.plan.Err != nil {
		tb.Fatalf("the Plan has an Err: %v", p.plan.Err)
	}
	if p.plan.Splits == nil || p.plan.Read == nil {
		tb.Fatalf("the Plan has no Splits or no Read: both are required")
	}
	p.items = itemsOf(tb, src)
	var err error
	if p.splits, err = collect(p.plan.Splits(tb.Context()), -1); err != nil {
		tb.Fatalf("Splits: %v", err)
	}
	for _, s := range p.splits {
		part, err := collect(p.plan.Read(tb.Context(), s), -1)
		if err != nil {
			tb.Fatalf("read of split %q: %v", s.ID, err)
		}
		p.parts = append(p.parts, part)
	}
	return p
}

// complete checks the fields that are no functions; readPlan has checked the required functions.
func (p planned[T]) complete(tb testing.TB) {
	if p.plan.Readers < 0 || p.plan.Readers > 256 {
		tb.Errorf("the Plan has Readers %d: want 1 to 256, or 0 for the default", p.plan.Readers)
	}
}

func (p planned[T]) wellFormed(tb testing.TB) {
	again, err := collect(p.plan.Splits(tb.Context()), -1)
	if err != nil || len(again) != len(p.splits) {
		tb.Fatalf("the second call of Splits yields %d splits, the first %d (error: %v)", len(again), len(p.splits), err)
	}
	last := map[string]int{} // the last split of each ID
	for i, s := range p.splits {
		if again[i] != s {
			tb.Errorf("split %d is %+v at the second call of Splits, %+v at the first", i, again[i], s)
		}
		if s.ID == "" {
			tb.Errorf("split %d has no ID", i)
		}
		if before, doubled := last[s.ID]; doubled && !follows(p.splits[before], s) {
			tb.Errorf("splits %d and %d have the same ID %q, but %d does not start at or after the end of %d", before, i, s.ID, i, before)
		}
		last[s.ID] = i
	}
}

// versions calls Version twice for each split, and for a part of it: a run that resumes or is
// redriven compares them.
func (p planned[T]) versions(tb testing.TB) {
	if p.plan.Version == nil {
		return
	}
	for i, s := range p.splits {
		first, err := p.plan.Version(tb.Context(), s)
		if err != nil {
			tb.Fatalf("Version of split %q: %v", s.ID, err)
		}
		if again, err := p.plan.Version(tb.Context(), s); again != first || err != nil {
			tb.Errorf("Version of split %q is %q at the second call, %q at the first (error: %v)", s.ID, again, first, err)
		}
		if items := p.parts[i]; len(items) > 1 {
			s.From = items[0].Next
		}
		if part, err := p.plan.Version(tb.Context(), s); part != first || err != nil {
			tb.Errorf("Version of a part of split %q is %q, that of the split %q (error: %v)", s.ID, part, first, err)
		}
	}
}

// follows reports whether b, a split with the ID of a, starts at or after the end of a.
func follows(a, b dmap.Split) bool {
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
		got, err := collect(p.plan.Splits(tb.Context()), i+1)
		if err != nil || len(got) != i+1 {
			tb.Fatalf("break after %d splits: got %d (error: %v)", i+1, len(got), err)
		}
	}
	for i, s := range p.splits {
		breaks(tb, func() iter.Seq2[dmap.Item[T], error] { return p.plan.Read(tb.Context(), s) }, p.parts[i], p.by)
	}
}

// resumeRead reads each split from cursors inside it.
func (p planned[T]) resumeRead(tb testing.TB) {
	for i, s := range p.splits {
		for _, j := range some(len(p.parts[i])) {
			if err := p.rest(tb, i, j, p.from(i, j)); err != nil {
				tb.Fatalf("split %q from %+v, the cursor after item %d %q: %v",
					s.ID, p.parts[i][j].Next, j, p.parts[i][j].ID(), err)
			}
		}
	}
}

// from is split i with the items up to item j cut off.
func (p planned[T]) from(i, j int) dmap.Split {
	s := p.splits[i]
	s.From = p.parts[i][j].Next
	return s
}

// rest reads s and compares it with the items after item j of split i.
func (p planned[T]) rest(tb testing.TB, i, j int, s dmap.Split) error {
	got, err := collect(p.plan.Read(tb.Context(), s), -1)
	if err != nil {
		return err
	}
	if d := p.by.diff(got, p.parts[i][j+1:], false); d != "" {
		return fmt.Errorf("compared with the rest of the split: %s", d)
	}
	return nil
}

func (p planned[T]) json(tb testing.TB) {
	roundTrip := func(s dmap.Split) (back dmap.Split) {
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
		if err := p.rest(tb, i, -1, roundTrip(s)); err != nil {
			tb.Errorf("split %q after a round trip through JSON: %v", s.ID, err)
		}
		if j := len(p.parts[i]) / 2; j < len(p.parts[i]) {
			if err := p.rest(tb, i, j, roundTrip(p.from(i, j))); err != nil {
				tb.Errorf("split %q after its item %d and a round trip through JSON: %v", s.ID, j, err)
			}
		}
	}
}

// concurrent reads the splits from 4 goroutines, each of which starts with another one. All are
// inside their first split at the same time.
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
				read := endAfter(p.plan.Read(tb.Context(), p.splits[i]), 1, arrive)
				got, err := collect(read, -1)
				if d := p.by.diff(got, p.parts[i], true); err != nil || d != "" {
					tb.Errorf("split %q, read while others are: %s (error: %v)", p.splits[i].ID, d, err)
					return
				}
			}
		})
	}
}

// whole reads Plan.Whole from its start and from cursors inside it. Its keys are those of Items.
func (p planned[T]) whole(tb testing.TB) {
	s := p.plan.Whole
	if s == (dmap.Split{}) {
		return
	}
	all, err := collect(p.plan.Read(tb.Context(), s), -1)
	if err != nil {
		tb.Fatalf("read of Whole: %v", err)
	}
	if d := p.by.diff(all, p.items, false); d != "" {
		tb.Fatalf("Whole, compared with Items: %s", d)
	}
	for _, j := range some(len(all)) {
		if all[j].Next.Key != "" {
			tb.Fatalf("the cursor after item %d of Whole is %+v: want an Offset without a Key", j, all[j].Next)
		}
		s.From = all[j].Next
		got, err := collect(p.plan.Read(tb.Context(), s), -1)
		if d := p.by.diff(got, all[j+1:], false); err != nil || d != "" {
			tb.Fatalf("Whole after its item %d: %s (error: %v)", j, d, err)
		}
	}
}

func (p planned[T]) canceled(tb testing.TB) {
	ctx, end := endable(tb)
	end()
	splits, err := collect(p.plan.Splits(ctx), -1)
	if e := ended(len(splits), len(p.splits), err); e != "" {
		tb.Errorf("the context was canceled before Splits: it %s", e)
	}
	for i, s := range p.splits {
		got, err := collect(p.plan.Read(ctx, s), -1)
		if e := ended(len(got), len(p.parts[i]), err); e != "" {
			tb.Errorf("the context was canceled before split %q was read: Read %s", s.ID, e)
		}
	}
}

// meeting lets goroutines wait for each other once, for at most a second: a source may admit one
// after the other.
type meeting struct {
	mu      sync.Mutex
	missing int // guarded by mu
	all     chan struct{}
}

func newMeeting(n int) *meeting { return &meeting{missing: n, all: make(chan struct{})} }

// arrive waits until all members of the meeting have called it.
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
