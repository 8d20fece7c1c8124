package wholerun

import (
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
)

// Stats are the counts of the run, as Run.Stats has them. The counts of items add up.
func (v *View) Stats() dmap.Stats {
	s := &v.summary
	out := Counted(s.Counts)
	out.State, out.Limit, out.Rate, out.Paused = dmap.StateRunning, s.Control.Limit, s.Control.Rate, s.Control.Paused
	out.Started, out.Resumed = s.Started, s.Before.Read > 0
	if !s.Started.IsZero() {
		out.Elapsed = s.Before.Elapsed + max(0, v.at.Sub(s.Started))
	}
	spent := v.spent()
	out.Throttled, out.SourceThrottled = spent.Throttled, spent.Source
	var now load
	for i := range s.Open {
		o := &s.Open[i]
		k := v.beats[o.Lease]
		running := k != nil && !k.over && k.current(o)
		n := Counted(o.Reported)
		if running || k != nil && settled(&k.Stats) > settled(&n) {
			n = k.Stats
		}
		addCounts(&out, &n)
		if running {
			now.add(&k.Stats, v.silent(k))
		}
	}
	now.fill(&out)
	// Items that a redrive or a decision has taken were read before, and wait.
	out.Read = max(settled(&out)+out.Pending, s.Counts.Read)
	out.Pending = out.Read - settled(&out)
	out.Redrives = s.Redrive
	return out
}

// Counted are the Stats with the counts of records.
func Counted(n journal.Counts) dmap.Stats {
	return dmap.Stats{
		Read: n.Read, Succeeded: n.Succeeded, Failed: n.NowFailed(), Skipped: n.Skipped, Held: n.NowHeld(),
		Pending: n.Read - n.Succeeded - n.NowFailed() - n.Skipped - n.NowHeld(), Calls: n.Calls, Retries: n.Retries, Bytes: n.Bytes, Units: n.Units, Elapsed: n.Elapsed,
	}
}

// Saved are the items that records of the run or of its lanes have.
func (v *View) Saved() lease.Tally {
	root := Counted(v.summary.Counts)
	all := tallyOf(&root)
	for i := range v.summary.Open {
		o := &v.summary.Open[i]
		n := Counted(o.Reported)
		t := tallyOf(&n)
		if k := v.beats[o.Lease]; k != nil && k.Saved.All() > t.All() {
			t = k.Saved
		}
		all = all.Plus(t)
	}
	return all
}

func tallyOf(s *dmap.Stats) lease.Tally {
	return lease.Tally{Succeeded: s.Succeeded, Failed: s.Failed, Skipped: s.Skipped, Held: s.Held}
}

func settled(s *dmap.Stats) int64 { return s.Succeeded + s.Failed + s.Skipped + s.Held }

func addCounts(to, n *dmap.Stats) {
	to.Succeeded += n.Succeeded
	to.Failed += n.Failed
	to.Skipped += n.Skipped
	to.Held += n.Held
	to.Calls += n.Calls
	to.Retries += n.Retries
	to.Bytes = journal.AddBytes(to.Bytes, n.Bytes)
	to.Units = journal.AddUnits(to.Units, n.Units)
}

// load adds up the leases that run now.
type load struct {
	leases  int
	sum     dmap.Stats
	adapted bool
	slots   int // of all, as far as throttling leaves them

	resting, unlimited int           // leases that start no fresh item, or that have no AdaptedRate
	backOff            time.Duration // the shortest
}

func (l *load) add(s *dmap.Stats, silent bool) {
	if l.leases++; l.leases == 1 || s.BackOff < l.backOff {
		l.backOff = s.BackOff
	}
	l.sum.Pending += s.Pending
	if !silent {
		l.sum.InFlight += s.InFlight
	}
	l.sum.Waiting += s.Waiting
	l.sum.Queued += s.Queued
	l.sum.Stuck += s.Stuck
	l.sum.BrokenObjects += s.BrokenObjects
	l.sum.AdaptedRate += s.AdaptedRate
	if s.AdaptedRate == 0 {
		l.unlimited++
	}
	if s.ReadingPaused {
		l.resting++
	}
	if l.slots += s.Limit; s.AdaptedLimit > 0 {
		l.adapted = true
		l.slots += s.AdaptedLimit - s.Limit
	}
}

// fill sets the fields of s that are of now.
func (l *load) fill(s *dmap.Stats) {
	s.Pending, s.InFlight, s.Waiting, s.Queued, s.Stuck = l.sum.Pending, l.sum.InFlight, l.sum.Waiting, l.sum.Queued, l.sum.Stuck
	s.BrokenObjects = l.sum.BrokenObjects
	s.ReadingPaused = l.leases > 0 && l.resting == l.leases
	s.BackOff = l.backOff
	if l.unlimited == 0 {
		s.AdaptedRate = l.sum.AdaptedRate
	}
	if l.adapted {
		s.AdaptedLimit = max(1, min(l.slots, s.Limit))
	}
}

// Phase is the stage of the run; empty: it reads and calls.
func (v *View) Phase() dmap.Phase {
	switch end := v.summary.End; {
	case end == nil && v.ReadAll():
		return dmap.PhaseRead
	case end == nil:
		return ""
	case !v.held():
		return dmap.PhaseSaving
	case end.Why == coord.Done:
		return dmap.PhaseRead
	default:
		return dmap.PhaseStopping
	}
}

func (v *View) held() bool {
	for i := range v.summary.Open {
		if v.summary.Open[i].Held {
			return true
		}
	}
	return false
}
