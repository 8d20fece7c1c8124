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
	ended   spent            // of attempts that have no beat any more
	lost    lostWorkers
}

// known is the newest beat of an open lease.
type known struct {
	*Beat
	came time.Time // by the clock of this process
	lost int       // attempts at the lease that were lost when the beat came
}

// spent are the sums that only beats have.
type spent struct {
	times     dmap.Times
	written   int64
	throttled int64
	source    int64 // Stats.SourceThrottled
}

func (s *spent) add(b *lease.Beat) {
	s.times = s.times.Plus(b.Times)
	s.written += b.Written
	s.throttled += b.Stats.Throttled
	s.source += b.Stats.SourceThrottled
}

// Read takes in what the coordinator and the workers say. A nil summary leaves that of before.
func (v *View) Read(at time.Time, summary *coord.Summary, beats []Beat) {
	if v.at = at; summary != nil {
		v.summary = *summary
	}
	if v.beats == nil {
		v.beats = map[int64]*known{}
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

// close forgets the leases that are no longer open, and registers those that workers have lost.
func (v *View) close(open map[int64]*coord.OpenLease) {
	for n, k := range v.beats {
		o := open[n]
		if o == nil || k.Era != v.summary.Era {
			v.ended.add(&k.Beat.Beat)
			delete(v.beats, n)
			continue
		}
		if o.Lost > k.lost {
			v.lost.lose(k.Worker, o.Lost-k.lost, k.came)
			k.lost = o.Lost
		}
	}
}

// take keeps the newest beat of a lease.
func (v *View) take(o *coord.OpenLease, b *Beat) {
	k := v.beats[o.Lease]
	if k != nil && (b.Attempt < k.Attempt || b.Attempt == k.Attempt && !b.Seen.After(k.Seen)) {
		return
	}
	if k != nil && b.Attempt > k.Attempt {
		v.ended.add(&k.Beat.Beat)
	}
	v.beats[o.Lease] = &known{b, v.at, o.Lost}
}

// current reports whether k is of an attempt that runs, as far as is known.
func (k *known) current(o *coord.OpenLease) bool {
	return o.Held && k.Attempt == o.Attempt || k.Attempt > o.Attempt
}

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
