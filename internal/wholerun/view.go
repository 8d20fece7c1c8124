package wholerun

import (
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/lease"
)

// Beat is the newest beat of a lease that a worker has.
type Beat struct {
	lease.Beat
	Worker string
	Seen   time.Time // by the clock of the host
}

// View is the latest that a process knows about a run. The zero View knows nothing. It is not safe
// for concurrent use.
type View struct {
	summary coord.Summary
	at      time.Time        // of the latest reading
	beats   map[int64]*known // of open leases, by their numbers
	// failed are the newest failures of leases that no record of the run has taken in.
	failed map[int64]lease.Groups
	gone   lease.Effort   // by attempts that were lost, as far as their beats say
	calls  dmap.CallTimes // of attempts that have ended, as far as their beats say
	lost   lostWorkers
}

// known is the newest beat of an open lease.
type known struct {
	*Beat
	came time.Time // by the clock of this process
	lost int       // attempts at the lease that were lost when the beat came
	over bool      // the attempt has ended: it is in gone, or has reported
	// before is the effort of the attempt before, until the coordinator says how that has ended.
	before lease.Effort
}

// Read takes in what the coordinator and the workers say. A nil summary leaves that of before.
func (v *View) Read(at time.Time, summary *coord.Summary, beats []Beat) {
	if v.at = at; summary != nil {
		if summary.Era != v.summary.Era { // another coordinator counts from zero
			v.gone = v.gone.Plus(v.summary.Spent)
		}
		v.summary = *summary
	}
	if v.beats == nil {
		v.beats, v.failed = map[int64]*known{}, map[int64]lease.Groups{}
	}
	open := map[int64]*coord.OpenLease{}
	for i := range v.summary.Open {
		open[v.summary.Open[i].Lease] = &v.summary.Open[i]
	}
	v.close(open)
	for i := range beats {
		if o := open[beats[i].Lease]; o != nil && beats[i].Era == v.summary.Era {
			v.take(o, &beats[i])
		}
	}
}

// End takes in what the coordinator knows at the end of the run: the failures of all leases, and
// the effort of all attempts that have reported.
func (v *View) End(at time.Time, failures lease.Groups, effort lease.Effort) {
	s := v.summary
	s.Open, s.Finished, s.Queued = nil, nil, 0
	s.Failures, s.Spent = failures, effort
	v.Read(at, &s, nil)
}

// close forgets the leases that are no longer open, and registers those that workers have lost.
func (v *View) close(open map[int64]*coord.OpenLease) {
	for n, k := range v.beats {
		o := open[n]
		if o == nil || k.Era != v.summary.Era {
			v.end(k, o == nil && k.Era == v.summary.Era)
			delete(v.beats, n)
			continue
		}
		v.judge(k, o)
	}
	for n := range v.failed {
		if open[n] == nil && !v.summary.Finished.Has(n) {
			delete(v.failed, n)
		}
	}
}

// judge registers how attempts at an open lease have ended since its newest beat.
func (v *View) judge(k *known, o *coord.OpenLease) {
	before := k.before
	if o.Attempt >= k.Attempt {
		k.before = lease.Effort{}
	}
	switch current := k.current(o); {
	case o.Lost == k.lost && !current:
		v.end(k, true)
	case o.Lost > k.lost:
		if current {
			v.gone = v.gone.Plus(before)
		} else {
			v.end(k, false)
		}
		v.lost.lose(k.Worker, o.Lost-k.lost, k.came)
		k.lost = o.Lost
	}
}

// end registers that an attempt has ended. A report has what its beats had.
func (v *View) end(k *known, reported bool) {
	if k.over {
		return
	}
	k.over = true
	v.calls = v.calls.Plus(k.Times.Calls)
	if !reported {
		v.gone = v.gone.Plus(k.spent())
	}
}

// take keeps the newest beat of a lease.
func (v *View) take(o *coord.OpenLease, b *Beat) {
	k := v.beats[o.Lease]
	if k != nil && (b.Attempt < k.Attempt || b.Attempt == k.Attempt && (k.over || !b.Seen.After(k.Seen))) {
		return
	}
	next := &known{Beat: b, came: v.at, lost: o.Lost}
	switch {
	case k != nil && b.Attempt == k.Attempt:
		next.before = k.before
	case k != nil && !k.over:
		next.before = k.spent()
		v.end(k, true)
	}
	v.beats[o.Lease] = next
	if len(b.Failures) > 0 {
		v.failed[o.Lease] = b.Failures
	}
}

// current reports whether k is of an attempt that runs, as far as is known.
func (k *known) current(o *coord.OpenLease) bool {
	return o.Held && k.Attempt == o.Attempt || k.Attempt > o.Attempt
}

// spent is the work of the attempt, as its beat says.
func (k *known) spent() lease.Effort { return lease.EffortOf(&k.Times, &k.Stats, k.Written) }

// silent reports whether the worker of k may have crashed.
func (v *View) silent(k *known) bool {
	return dmap.RunWorker{Seen: k.came, Every: k.Every}.Silent(v.at)
}

// Summary is the newest one of the coordinator.
func (v *View) Summary() coord.Summary { return v.summary }

// ReadAll reports whether nothing of the source is left to read, unless a worker is lost.
func (v *View) ReadAll() bool {
	s := &v.summary
	if s.End != nil {
		return s.End.Why == coord.Done
	}
	if s.Started.IsZero() || !s.Planned || s.Queued > 0 {
		return false
	}
	for i := range s.Open {
		k := v.beats[s.Open[i].Lease]
		if k == nil || !k.ReadAll || !k.current(&s.Open[i]) {
			return false
		}
	}
	return true
}
