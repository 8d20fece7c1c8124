package coord

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
)

// world is the slow and obvious model: it knows for each item of the source who has it, and for
// each lease what its lanes have settled.
type world struct {
	t      *testing.T
	random *rand.Rand
	now    time.Time
	s      *State
	twin   *State // goes through JSON before each event

	items   int
	maximum int64
	planned bool
	failing float64
	edited  bool
	cut     int // the items from here on were left out by MaxItems
	given   map[int64]*given
	held    []lease.Lease // attempts that workers have
	old     []lease.Report
	next    int64
	most    int // calls at once so far, and leases
	taken   map[int64]bool
	elapsed time.Duration // that tasks have had
	edition int64         // of the grant that the leases follow
}

// given is what the model knows about a lease.
type given struct {
	splits   []dmap.Split
	settled  map[int]bool
	counts   journal.Counts
	attempt  int
	state    string // held, lost, waits (unfinished), returned
	reported journal.Counts
	rest     []dmap.Split
	reads    bool // its last attempt may read
	slots    int  // that its last attempt really has
	raised   int  // by orders
	shed     bool
}

const era = 7

func (w *world) skipped(i int) bool { return i%7 == 3 }

func (w *world) whole(s dmap.Split) (from, to int) {
	if from, to = int(s.From.Offset), int(s.To.Offset); s.To == (dmap.Cursor{}) {
		to = w.items
	}
	return from, to
}

func piece(from, to int) dmap.Split {
	return dmap.Split{ID: "s", From: dmap.Cursor{Offset: int64(from)}, To: dmap.Cursor{Offset: int64(to)}}
}

func newWorld(t *testing.T, seed uint64) *world {
	r := rand.New(rand.NewPCG(seed, 1))
	w := &world{
		t: t, random: r, now: time.Unix(1e9, 0), items: 200 + r.IntN(1500), given: map[int64]*given{}, next: 3,
		taken: map[int64]bool{}, failing: []float64{0, 0.01, 0.2, 1}[r.IntN(4)],
	}
	w.cut = w.items
	start := Start{Era: era, Now: w.now, Next: 3, Control: w.control()}
	if w.planned = r.IntN(2) == 0; w.planned {
		start.Planned = true
	} else {
		start.Pieces = []dmap.Split{{ID: "s"}}
	}
	if r.IntN(4) == 0 {
		w.maximum = int64(1 + r.IntN(w.items))
		start.MaxItems = w.maximum
	}
	s, err := Begin(start)
	require.NoError(t, err)
	w.s = s
	w.twin = through(t, s)
	w.widen()
	return w
}

func (w *world) control() Control {
	c := Control{Limit: 1 + w.random.IntN(40), PerLease: 1 + w.random.IntN(6)}
	switch w.random.IntN(4) {
	case 0:
		c.Tolerance = dmap.Tolerance{Count: int64(w.random.IntN(300))}
	case 1:
		c.Tolerance = dmap.Tolerance{Percentage: float64(1 + w.random.IntN(30)), MinItems: int64(w.random.IntN(200))}
	default:
		c.Tolerance = dmap.Tolerance{Percentage: 100}
	}
	if w.random.IntN(4) == 0 {
		c.Budget = dmap.Budget{Calls: int64(1 + w.random.IntN(w.items*2))}
	}
	if w.random.IntN(4) == 0 {
		c.Rate = dmap.Rate{Calls: 100}
	}
	return c
}

func (w *world) widen() {
	c := w.s.Control
	w.most = max(w.most, c.Capacity()*(c.slots(0)+1))
}

func through(t *testing.T, s *State) *State {
	data, err := json.Marshal(s)
	require.NoError(t, err)
	out := new(State)
	require.NoError(t, json.Unmarshal(data, out))
	return out
}

// both runs an event on the state and on its twin, which must do the same.
func both[T any](w *world, event func(s *State) T) T {
	got := event(w.s)
	w.twin = through(w.t, w.twin)
	require.Equal(w.t, got, event(w.twin))
	if w.s.End != nil {
		w.closeWaiting()
	}
	w.obey()
	return got
}

// closeWaiting follows the end of a run: leases that wait for their next attempt have ended. What
// lost ones did is unknown.
func (w *world) closeWaiting() {
	for n, g := range w.given {
		if (g.state == "lost" || g.state == "waits") && w.s.find(n) < 0 {
			if g.state == "lost" {
				g.reported = journal.Counts{}
			}
			g.state = "returned"
		}
	}
}

func (w *world) take() bool {
	type result struct {
		l  lease.Lease
		ok bool
	}
	r := both(w, func(s *State) result { l, ok := s.Take(w.now); return result{l, ok} })
	if !r.ok {
		return false
	}
	l := r.l
	g := w.given[l.Lease]
	if g == nil {
		require.Equal(w.t, w.next, l.Lease, "numbers count up")
		require.Equal(w.t, 1, l.Attempt)
		w.next++
		g = &given{splits: l.Splits, settled: map[int]bool{}}
		w.given[l.Lease] = g
	} else {
		require.Contains(w.t, []string{"lost", "waits"}, g.state)
		require.Equal(w.t, g.attempt+1, l.Attempt)
		require.Equal(w.t, g.splits, l.Splits)
	}
	require.EqualValues(w.t, era, l.Era)
	require.Positive(w.t, l.Time)
	require.GreaterOrEqual(w.t, l.Rest, len(l.Splits))
	g.attempt, g.state, g.reads = l.Attempt, "held", true
	g.slots, g.raised, g.shed = l.Slots, 0, false
	require.Equal(w.t, w.s.Grant, l.Grant)
	w.held = append(w.held, l)
	return true
}

// work processes about n items of a lease, as an engine with its slots does, and returns why it
// ends.
func (w *world) work(l lease.Lease, n int) lease.Reason {
	g := w.given[l.Lease]
	if !g.reads {
		return lease.Late
	}
	after := -1 // calls that were in flight when the lease had to return
	if l.Exceeded(g.counts.Failed, g.counts.Succeeded+g.counts.Failed) {
		after = 0 // by its earlier lanes
	}
	for _, s := range l.Splits {
		from, to := w.whole(s)
		for i := from; i < to; i++ {
			if g.settled[i] {
				continue
			}
			if l.Items > 0 && g.counts.Taken >= l.Items {
				return lease.Done
			}
			if l.Budget.Calls > 0 && g.counts.Calls >= l.Budget.Calls {
				return lease.Spent
			}
			if after == 0 {
				return lease.Failures
			}
			if n--; n < 0 && after < 0 {
				return lease.Late
			}
			g.settled[i] = true
			w.settle(g, i)
			if after--; after < 0 && l.Exceeded(g.counts.Failed, g.counts.Succeeded+g.counts.Failed) {
				after = l.Slots
			}
		}
	}
	return lease.Done
}

func (w *world) settle(g *given, i int) {
	g.counts.Read++
	switch {
	case w.skipped(i):
		g.counts.Skipped++
		return
	case w.random.Float64() < w.failing:
		g.counts.Failed++
	default:
		g.counts.Succeeded++
	}
	g.counts.Taken++
	g.counts.Calls++
}

// report makes the report of a lease as its lanes are now.
func (w *world) report(l lease.Lease, reason lease.Reason) lease.Report {
	g := w.given[l.Lease]
	r := lease.Report{Ref: l.Ref, Reason: reason, Counts: g.counts, Worked: time.Duration(g.counts.Calls) * time.Second}
	for _, s := range l.Splits {
		from, to := w.whole(s)
		for i := from; i < to; i++ {
			if g.settled[i] {
				continue
			}
			end := i
			for end < to && !g.settled[end] {
				end++
			}
			for i < end { // a listing is divided while it is read
				next := end
				if !w.planned && end-i > 8 && w.random.IntN(2) == 0 && len(r.Rest)+len(l.Splits) < l.Rest {
					next = i + 1 + w.random.IntN(end-i-1)
				}
				r.Rest = append(r.Rest, piece(i, next))
				i = next
			}
		}
	}
	if len(r.Rest) > l.Rest {
		r.Rest, r.Unfinished = nil, true
	}
	return r
}

// shed ends the reading of a lease: it gives its rest back. Some of these messages are lost, or
// arrive twice.
func (w *world) shed(i int) {
	l := w.held[i]
	g := w.given[l.Lease]
	if !g.reads {
		return
	}
	w.work(l, w.random.IntN(40))
	r := w.report(l, lease.Late)
	g.reads = false
	if r.Unfinished {
		return
	}
	if w.random.IntN(4) == 0 {
		return // lost
	}
	message := lease.Shed{Ref: l.Ref, Rest: r.Rest, Calls: w.random.IntN(g.slots + 1)}
	got := both(w, func(s *State) Outcome { return s.Shed(message, w.now) })
	if w.s.End != nil {
		require.Equal(w.t, Repeated, got)
		return
	}
	if w.s.ordered() {
		require.Equal(w.t, Invalid, got)
		return
	}
	require.Equal(w.t, Accepted, got)
	g.splits, g.slots, g.shed = w.s.Open[w.s.find(l.Lease)].Splits, message.Calls, true
	require.Equal(w.t, Repeated, both(w, func(s *State) Outcome { return s.Shed(message, w.now) }))
	if message.Rest = nil; message.Calls > 1 && w.random.IntN(2) == 0 {
		message.Calls, g.slots = 0, 0
		require.Equal(w.t, Accepted, both(w, func(s *State) Outcome { return s.Shed(message, w.now) }))
	}
}

// deliver gives a report to the coordinator and checks its answer.
func (w *world) deliver(r lease.Report) {
	want := w.expected(r.Ref, true)
	got := both(w, func(s *State) Outcome { return s.Report(r, w.now) })
	require.Equal(w.t, want, got)
	if got != Accepted {
		return
	}
	g := w.given[r.Lease]
	g.reported = r.Counts
	if w.s.find(r.Lease) >= 0 {
		g.state = "waits"
		return
	}
	g.state, g.rest = "returned", nil
	for _, rest := range r.Rest {
		if slices.ContainsFunc(g.splits, func(s dmap.Split) bool { return contains(s, rest) }) {
			g.rest = append(g.rest, rest)
		}
	}
	if w.maximum > 0 && !w.planned && w.s.used().Taken >= w.maximum {
		_, w.cut = w.whole(g.splits[len(g.splits)-1])
		if len(r.Rest) > 0 {
			w.cut, _ = w.whole(r.Rest[0])
		}
		g.rest = nil
	}
}

// expected is the outcome of a report, or of a loss.
func (w *world) expected(ref lease.Ref, report bool) Outcome {
	g := w.given[ref.Lease]
	switch {
	case ref.Era != era:
		return OtherEra
	case g == nil || ref.Attempt < 1:
		return Unknown
	case g.state == "returned":
		return Repeated
	case ref.Attempt > g.attempt:
		return Unknown
	case ref.Attempt < g.attempt:
		return Superseded
	case g.state == "held" || g.state == "lost" && report:
		return Accepted
	default:
		return Repeated
	}
}

func (w *world) drop(i int) lease.Lease {
	l := w.held[i]
	w.held = append(w.held[:i:i], w.held[i+1:]...)
	return l
}

func (w *world) finish(i, n int) {
	l := w.drop(i)
	r := w.report(l, w.work(l, n))
	w.move(&r)
	w.old = append(w.old, r)
	w.deliver(r)
}

func (w *world) crash(i int) {
	l := w.drop(i)
	g := w.given[l.Lease]
	w.work(l, w.random.IntN(40))
	w.old = append(w.old, w.report(l, lease.Asked)) // it may still arrive
	want := w.expected(l.Ref, false)
	require.Equal(w.t, want, both(w, func(s *State) Outcome { return s.Lost(l.Ref, w.now) }))
	if g.state, g.slots = "lost", 0; w.s.End != nil {
		w.closeWaiting()
	}
}
