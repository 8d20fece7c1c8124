package coord

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/testsize"
)

func TestRandomEventsAgreeWithTheModel(t *testing.T) {
	whys := map[Why]int{}
	seeds := testsize.Sizes{Short: 20, Race: 4, Usual: 100, Long: 3_000}.Now()
	seed := 0
	defer func() {
		if t.Failed() {
			t.Log("seed", seed)
		}
	}()
	for ; seed < seeds; seed++ {
		w := newWorld(t, uint64(seed))
		for range 20 + w.random.IntN(300) {
			w.step()
			w.check()
			if _, over := w.s.Over(w.now); over {
				break
			}
		}
		whys[w.runToEnd()]++
	}
	if seeds < 100 {
		return
	}
	for _, why := range []Why{Done, Tolerance, Budget, Canceled, Suspended} {
		require.Positive(t, whys[why], "the runs end in each way: %v", whys)
	}
}

// step makes an event.
func (w *world) step() {
	w.now = w.now.Add(time.Duration(w.random.IntN(3000)) * time.Millisecond)
	switch n := w.random.IntN(100); {
	case n < 35:
		w.take()
	case n < 38 && len(w.held) > 1:
		w.overtake()
	case n < 60 && len(w.held) > 0:
		w.finish(w.random.IntN(len(w.held)), w.random.IntN(100))
	case n < 64 && len(w.held) > 0:
		w.shed(w.random.IntN(len(w.held)))
	case n < 72 && len(w.held) > 0:
		w.crash(w.random.IntN(len(w.held)))
	case n < 80 && len(w.old) > 0:
		w.again()
	case n < 90:
		w.tasks(w.random.IntN(4) == 0)
	case n < 92:
		w.set()
	case n == 92 && w.random.IntN(5) == 0:
		both(w, func(s *State) bool { s.Cancel(); return true })
	case n == 93 && w.random.IntN(5) == 0:
		both(w, func(s *State) bool { s.Suspend(); return true })
	case n < 96:
		on := w.random.IntN(2) == 0
		both(w, func(s *State) bool { s.Drain(on); return true })
	}
}

// again delivers a message another time.
func (w *world) again() {
	r := w.old[w.random.IntN(len(w.old))]
	sent := r.Ref
	switch w.random.IntN(6) {
	case 0:
		r.Era++
	case 1:
		r.Attempt++
	case 2:
		r.Lease += 1000
	}
	if g := w.given[r.Lease]; g != nil && r.Attempt == g.attempt && (g.state == "held" || r.Ref != sent) {
		return // a worker does not report what another attempt did, or before it ends
	}
	if w.random.IntN(2) == 0 {
		w.deliver(r)
		return
	}
	want := w.expected(r.Ref, false)
	if want == Accepted {
		return
	}
	require.Equal(w.t, want, both(w, func(s *State) Outcome { return s.Lost(r.Ref, w.now) }))
}

func (w *world) set() {
	c := w.control()
	c.Paused = w.random.IntN(3) == 0
	w.edited = true
	require.NoError(w.t, both(w, func(s *State) error { return s.Set(c, w.now) }))
	w.widen()
}

// tasks plans and absorbs. Some tasks are lost.
func (w *world) tasks(lose bool) {
	type planned struct {
		task PlanTask
		ok   bool
	}
	if p := both(w, func(s *State) planned { task, ok := s.PlanNext(w.now); return planned{task, ok} }); p.ok {
		if lose {
			require.Equal(w.t, Accepted, both(w, func(s *State) Outcome { return s.PlanLost(p.task.Task, w.now) }))
		} else {
			page := w.plan(p.task)
			require.Equal(w.t, Accepted, both(w, func(s *State) Outcome { return s.Planned(page, w.now) }))
			require.Equal(w.t, Repeated, both(w, func(s *State) Outcome { return s.Planned(page, w.now) }))
		}
	}
	type absorb struct {
		task AbsorbTask
		ok   bool
	}
	a := both(w, func(s *State) absorb { task, ok := s.Absorb(w.now); return absorb{task, ok} })
	if !a.ok {
		return
	}
	if lose {
		require.Equal(w.t, Accepted, both(w, func(s *State) Outcome { return s.AbsorbLost(a.task.Task) }))
		return
	}
	var n journal.Counts
	for _, f := range a.task.Leases {
		require.Equal(w.t, "returned", w.given[f.Lease].state)
		require.Equal(w.t, w.given[f.Lease].attempt, f.Attempts)
		require.False(w.t, w.taken[f.Lease], "each lease is absorbed once")
		w.taken[f.Lease] = true
		if f.Unreported {
			n.Add(w.given[f.Lease].counts)
			w.given[f.Lease].reported = w.given[f.Lease].counts
		}
	}
	w.elapsed += a.task.Elapsed
	require.Equal(w.t, Accepted, both(w, func(s *State) Outcome { return s.Absorbed(a.task.Task, Absorption{Counts: n}) }))
	require.Equal(w.t, Repeated, both(w, func(s *State) Outcome { return s.Absorbed(a.task.Task, Absorption{Counts: n}) }))
}

// plan is a planner: pieces of task.Items items that the source does not skip.
func (w *world) plan(task PlanTask) Page {
	page := Page{Task: task.Task}
	at := 0
	if task.After != nil {
		at = int(task.After.From.Offset)
	}
	var all int64
	for len(page.Pieces) < task.Pieces && at < w.items && (task.Max == 0 || all < task.Max) {
		from, n := at, int64(0)
		for at < w.items && n < task.Items && (task.Max == 0 || all+n < task.Max) {
			if !w.skipped(at) {
				n++
			}
			at++
		}
		if n == 0 && task.Max > 0 { // only skipped items: they are part of the piece before
			break
		}
		all += n
		page.Pieces = append(page.Pieces, Piece{Split: piece(from, at), Items: n})
	}
	page.Done = at == w.items || task.Max > 0 && all == task.Max || len(page.Pieces) == 0
	if page.Done {
		w.cut = at
	}
	next := piece(at, w.items)
	page.Next = &next
	return page
}

// check compares the state with the model.
func (w *world) check() {
	t := w.t
	mine, err := json.Marshal(w.s)
	require.NoError(t, err)
	other, err := json.Marshal(w.twin)
	require.NoError(t, err)
	require.Equal(t, string(mine), string(other), "a state that went through JSON is the same")
	require.Less(t, len(mine), 100_000)

	c := w.s.Control
	asked, shed := 0, 0
	for i := range w.s.Open {
		switch o := &w.s.Open[i]; {
		case o.Held && o.Shed:
			shed++
		case o.Held && o.Asked:
			asked++
		}
	}
	require.Len(t, w.held, w.s.InFlight())
	require.LessOrEqual(t, len(w.held)-asked-shed, c.Capacity())
	require.GreaterOrEqual(t, w.s.Divisor, len(w.held))
	w.checkSlots()
	w.checkItems()
	w.checkCounts()
}

// checkItems demands that each item is queued, leased or done, and nothing twice.
func (w *world) checkItems() {
	where := make([]string, w.items)
	put := func(s dmap.Split, name string) {
		from, to := w.whole(s)
		for i := from; i < to; i++ {
			if where[i] != "" {
				require.Fail(w.t, "an item has two places", "item %d is %s and %s", i, where[i], name)
			}
			where[i] = name
		}
	}
	for _, p := range w.s.Queue {
		put(p.Split, "queued")
	}
	for i := range w.s.Open {
		for _, s := range w.s.Open[i].Splits {
			put(s, "leased")
		}
	}
	for _, g := range w.given {
		if g.state != "returned" {
			continue
		}
		for _, s := range g.splits {
			from, to := w.whole(s)
			for i := from; i < to; i++ {
				isRest := slices.ContainsFunc(g.rest, func(r dmap.Split) bool { return contains(r, piece(i, i+1)) })
				if !isRest && i < w.cut {
					put(piece(i, i+1), "done")
					if !g.settled[i] && w.s.End == nil {
						require.Fail(w.t, "an item is lost", i)
					}
				}
			}
		}
	}
	if w.planned {
		return // the rest is not planned yet
	}
	for i := range w.cut {
		if where[i] == "" {
			require.Fail(w.t, "an item has no place", i)
		}
	}
}

func (w *world) checkCounts() {
	var reported, all journal.Counts
	for _, g := range w.given {
		if g.state == "returned" || g.state == "waits" {
			reported.Add(g.reported)
		} else if i := w.s.find(w.number(g)); i >= 0 {
			reported.Add(w.s.Open[i].Reported)
		}
		all.Add(g.counts)
	}
	require.Equal(w.t, reported, w.s.Totals())
	if w.edited {
		return
	}
	c := w.s.Control
	if c.Budget.Calls > 0 {
		require.LessOrEqual(w.t, all.Calls, c.Budget.Calls)
	}
	if l := w.s.limits(); l.Percentage == 0 {
		require.LessOrEqual(w.t, all.Failed, l.Count+int64(w.most), "one for each lease and call in flight")
	} else if settled := all.Failed + all.Succeeded; l.Percentage < 100 {
		allowed := float64(max(settled, l.Sample())) * l.Percentage / 100
		require.LessOrEqual(w.t, float64(all.Failed), allowed+float64(2*w.most+int(l.Sample())))
	}
}

func (w *world) number(g *given) int64 {
	for n, other := range w.given {
		if other == g {
			return n
		}
	}
	return -1
}

// runToEnd lets the workers do their work. The run must end.
func (w *world) runToEnd() Why {
	both(w, func(s *State) bool { s.Drain(false); return true })
	if w.s.Control.Paused {
		c := w.s.Control
		c.Paused = false
		w.edited = true
		require.NoError(w.t, both(w, func(s *State) error { return s.Set(c, w.now) }))
	}
	for range 20_000 {
		if end, over := w.s.Over(w.now); over {
			w.twin.Over(w.now)
			w.check()
			w.checkEnd(end)
			return end.Why
		}
		w.twin.Over(w.now)
		w.tasks(false)
		if w.take() {
			continue
		}
		if len(w.held) > 0 {
			w.finish(0, 20+w.random.IntN(2000))
			continue
		}
		if at, ok := w.s.Wake(w.now); ok {
			w.now = at
		}
	}
	data, _ := json.MarshalIndent(w.s, "", " ")
	require.Fail(w.t, "the run does not end", string(data))
	return ""
}

func (w *world) checkEnd(end End) {
	require.Empty(w.t, w.s.Finished)
	require.Len(w.t, w.taken, len(w.given), "all leases are absorbed")
	require.Equal(w.t, w.s.age(w.now), w.elapsed+end.Elapsed, "the records have the time of the run")
	if end.Why != Done {
		return
	}
	settled := make([]bool, w.items)
	var taken int64
	for _, g := range w.given {
		for i := range g.settled {
			require.False(w.t, settled[i], "item %d twice", i)
			settled[i] = true
			if !w.skipped(i) {
				taken++
			}
		}
	}
	for i := range w.cut {
		require.True(w.t, settled[i], "item %d of %d", i, w.cut)
	}
	if w.maximum > 0 {
		possible := int64(0)
		for i := range w.items {
			if !w.skipped(i) {
				possible++
			}
		}
		require.Equal(w.t, min(w.maximum, possible), taken, "exactly the first items")
	}
}
