package wholerun

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/testsize"
)

// leased is a lease of a world: cumulative over its attempts.
type leased struct {
	coord.OpenLease
	settled, saved, pending int64
	failed                  int64 // failures that its lanes have
	work                    int64 // of the attempt
	worker                  string
}

// world is a run: a coordinator, and workers that lose leases.
type world struct {
	random *rand.Rand
	now    time.Time
	next   int64
	open   []*leased
	closed int64 // items of leases that have reported
	wasted int64 // items that were settled and lost
	lost   map[string]int

	finished map[int64]int64 // failures of leases that no record of the run has taken in
	absorbed int64           // failures that records of the run have
	reported int64           // work of attempts that have reported
	work     int64           // of all attempts
}

func newWorld(seed uint64) *world {
	return &world{random: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1e9, 0), lost: map[string]int{}, finished: map[int64]int64{}}
}

// failures are all that lanes and records have.
func (w *world) failures() (n int64) {
	n = w.absorbed
	for _, failed := range w.finished {
		n += failed
	}
	for _, l := range w.open {
		n += l.failed
	}
	return n
}

func (w *world) absorb() {
	for n, failed := range w.finished {
		w.absorbed += failed
		delete(w.finished, n)
	}
}

func (w *world) close(i int) {
	l := w.open[i]
	w.closed += l.settled
	w.reported += l.work
	w.finished[l.Lease] = l.failed
	w.open = append(w.open[:i], w.open[i+1:]...)
}

// groups are failures of two kinds.
func groups(n int64) (out lease.Groups) {
	for i, g := range []dmap.FailureGroup{{ID: "a", Count: n - n/3}, {ID: "b", Count: n / 3}} {
		if g.Count > 0 {
			g.Message = string(rune('a' + i))
			out = append(out, g)
		}
	}
	return out
}

func (w *world) total() (n int64) {
	n = w.closed
	for _, l := range w.open {
		n += l.settled
	}
	return n
}

func (w *world) step(loses bool) {
	w.now = w.now.Add(100 * time.Millisecond)
	if len(w.open) < 4 {
		w.open = append(w.open, &leased{OpenLease: coord.OpenLease{Lease: w.next, Attempt: 1, Held: true}, worker: "a"})
		w.next++
	}
	i := w.random.IntN(len(w.open))
	l := w.open[i]
	switch n := w.random.IntN(21); {
	case n == 20:
		w.absorb()
	case !l.Held:
		l.Attempt++
		l.Held, l.work, l.worker = true, 0, string(rune('a'+w.random.IntN(3)))
	case n < 12:
		l.settled += int64(w.random.IntN(50))
		l.work += 3
		w.work += 3
		l.pending = int64(w.random.IntN(10))
	case n < 16:
		l.failed += (l.settled - l.saved) / 2
		l.saved = l.settled
	case n == 16: // it returns unfinished
		l.failed += (l.settled - l.saved) / 2
		l.Held, l.saved, l.pending = false, l.settled, 0
		w.reported += l.work
		l.Reported = journal.Counts{Read: l.settled, Succeeded: l.settled}
	case n == 17 && loses:
		w.lost[l.worker]++
		w.wasted += l.settled - l.saved
		l.Held, l.settled, l.pending = false, l.saved, 0
		l.Lost++
	case n == 18:
		w.close(i)
	}
}

func (w *world) told() *coord.Summary {
	out := &coord.Summary{Started: time.Unix(1e9, 0), Counts: journal.Counts{Read: w.closed, Succeeded: w.closed}, Control: coord.Control{Limit: 9}}
	out.Failures, out.Spent.Written = groups(w.absorbed), w.reported
	for n := range w.finished {
		out.Finished = out.Finished.Add(journal.LeaseRange{From: n, To: n})
	}
	for _, l := range w.open {
		out.Open = append(out.Open, l.OpenLease)
	}
	return out
}

func (w *world) beats() (out []Beat) {
	for _, l := range w.open {
		if !l.Held || w.random.IntN(4) == 0 {
			continue
		}
		b := Beat{Worker: l.worker, Seen: w.now}
		b.Ref = lease.Ref{Lease: l.Lease, Attempt: l.Attempt}
		b.Stats = dmap.Stats{Succeeded: l.settled, Pending: l.pending, InFlight: int(l.pending), Read: l.settled + l.pending}
		b.Saved = lease.Tally{Succeeded: l.saved}
		b.Failures, b.Written = groups(l.failed), l.work
		out = append(out, b)
	}
	return out
}

// The counts that a view shows are never more than those of the run and never fall, though
// coordinator and beats are read at different times; but for the items that lost workers had not
// saved.
func TestNoItemCountsTwiceAndNoCountFalls(t *testing.T) {
	seeds := uint64(testsize.Sizes{Short: 10, Usual: 40, Long: 5_000}.Now()) //nolint:gosec // it is positive
	for seed := range seeds {
		w, v, loses := newWorld(seed), &View{}, seed%2 == 0
		shown, saved, failed, written := int64(0), int64(0), int64(0), int64(0)
		for range 300 {
			for range w.random.IntN(8) {
				w.step(loses)
			}
			summary := w.told()
			for range w.random.IntN(4) {
				w.step(loses)
			}
			if w.random.IntN(10) == 0 {
				summary = nil // the coordinator does not answer
			}
			v.Read(w.now, summary, w.beats())
			s := v.Stats()
			require.Equal(t, s.Read, s.Succeeded+s.Failed+s.Skipped+s.Held+s.Pending)
			require.LessOrEqual(t, s.Succeeded, w.total()+w.wasted, "seed %d", seed)
			require.GreaterOrEqual(t, s.Succeeded, shown-w.wasted, "seed %d", seed)
			if !loses {
				require.GreaterOrEqual(t, s.Succeeded, shown, "seed %d", seed)
			}
			require.GreaterOrEqual(t, v.Saved().All(), saved, "seed %d: saved items stay", seed)
			require.LessOrEqual(t, v.Saved().All(), s.Succeeded, "seed %d", seed)
			shown, saved = s.Succeeded, v.Saved().All()
			require.LessOrEqual(t, v.Failures().Total(), w.failures(), "seed %d", seed)
			require.GreaterOrEqual(t, v.Failures().Total(), failed, "seed %d", seed)
			require.LessOrEqual(t, v.Written(), w.work, "seed %d", seed)
			if !loses {
				require.GreaterOrEqual(t, v.Written(), written, "seed %d", seed)
			}
			failed, written = v.Failures().Total(), v.Written()
		}
		for len(w.open) > 0 { // all report
			w.close(0)
		}
		w.absorb()
		v.Read(w.now, w.told(), nil)
		require.Equal(t, groups(w.absorbed), v.Failures())
		if !loses {
			require.Equal(t, w.reported, v.Written())
		}
		require.Equal(t, w.closed, v.Stats().Succeeded)
		require.Zero(t, v.Stats().InFlight)
	}
}

func beatOf(n int64, attempt int, worker string, set func(*Beat)) Beat {
	b := Beat{Worker: worker, Seen: time.Unix(1e9, 0)}
	b.Ref = lease.Ref{Lease: n, Attempt: attempt}
	set(&b)
	return b
}

func TestAWorkerThatHasLostItsLeasesStaysVisible(t *testing.T) {
	var v View
	s := &coord.Summary{Open: []coord.OpenLease{{Lease: 1, Attempt: 1, Held: true}, {Lease: 2, Attempt: 1, Held: true}}}
	busy := func(b *Beat) { b.Stats.InFlight = 5 }
	at := time.Unix(2e9, 0) // the clock of the host differs
	v.Read(at, s, []Beat{beatOf(1, 1, "x", busy), beatOf(2, 1, "y", busy)})
	require.Equal(t, []dmap.RunWorker{
		{Name: "x", Leases: 1, InFlight: 5, Seen: at}, {Name: "y", Leases: 1, InFlight: 5, Seen: at},
	}, v.Workers())
	again := beatOf(2, 1, "y", busy)
	again.Seen = again.Seen.Add(time.Second)
	later := at.Add(6 * time.Second)
	v.Read(later, s, []Beat{beatOf(1, 1, "x", busy), again})
	require.Equal(t, at, v.Workers()[0].Seen, "the beat is the same as before")
	require.Equal(t, 5, v.Stats().InFlight, "what a silent worker calls is not known")
	s = &coord.Summary{Open: []coord.OpenLease{{Lease: 1, Attempt: 1, Lost: 1}, {Lease: 2, Attempt: 1, Held: true}}}
	for range 2 {
		v.Read(later, s, nil)
	}
	require.Equal(t, []dmap.RunWorker{
		{Name: "x", Lost: 1, Seen: at}, {Name: "y", Leases: 1, InFlight: 5, Seen: later},
	}, v.Workers())
	require.Equal(t, 5, v.Stats().InFlight, "calls of lost workers are not known")
}

func TestTheStateOfAllLeasesIsThatOfTheRun(t *testing.T) {
	var v View
	s := &coord.Summary{Started: time.Unix(1e9, 0), Planned: true, Control: coord.Control{Limit: 20}, Open: []coord.OpenLease{
		{Lease: 1, Attempt: 1, Held: true}, {Lease: 2, Attempt: 1, Held: true},
	}}
	throttled := func(b *Beat) {
		b.Stats.Limit, b.Stats.AdaptedLimit, b.Stats.AdaptedRate, b.Stats.BackOff, b.Stats.ReadingPaused = 10, 3, 5, time.Second, true
		b.ReadAll, b.Written = true, 7
		b.Oldest = []lease.Call{{Key: "old", Age: time.Minute, Items: 1}, {Key: "new", Age: time.Second, Items: 1}}
	}
	free := func(b *Beat) { b.Stats.Limit, b.Written = 10, 5 }
	v.Read(time.Unix(1e9+5, 0), s, []Beat{beatOf(1, 1, "x", throttled), beatOf(2, 1, "y", free)})
	got := v.Stats()
	require.Equal(t, 13, got.AdaptedLimit)
	require.Zero(t, got.AdaptedRate, "one of the leases has no such limit")
	require.Zero(t, got.BackOff)
	require.False(t, got.ReadingPaused)
	require.Equal(t, 5*time.Second, got.Elapsed)
	require.EqualValues(t, 12, v.Written())
	require.Empty(t, v.Phase(), "one of the leases reads")
	calls := v.InFlight("r", 1)
	require.Len(t, calls, 1)
	require.Equal(t, "old", calls[0].Key)
	require.Equal(t, time.Minute, calls[0].Age)

	later := beatOf(2, 1, "y", throttled)
	later.Seen = later.Seen.Add(time.Second)
	v.Read(time.Unix(1e9+6, 0), s, []Beat{later})
	got = v.Stats()
	require.InDelta(t, 10, got.AdaptedRate, 0)
	require.Equal(t, time.Second, got.BackOff)
	require.True(t, got.ReadingPaused)
	require.Equal(t, dmap.PhaseRead, v.Phase())

	s = &coord.Summary{Started: s.Started, Control: s.Control, End: &coord.End{Why: coord.Tolerance}, Open: s.Open}
	v.Read(time.Unix(1e9+7, 0), s, nil)
	require.Equal(t, dmap.PhaseStopping, v.Phase())
	v.Read(time.Unix(1e9+8, 0), &coord.Summary{Started: s.Started, End: s.End, Spent: lease.Effort{Written: 14}}, nil)
	require.Equal(t, dmap.PhaseSaving, v.Phase())
	require.EqualValues(t, 14, v.Written(), "of leases that have ended, too")
}
