package dmaptemporal

import (
	"sync"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/wholerun"
)

// Run is a run on many machines, which this process follows until the run has ended, or the context
// of Start or Open has. The end of that context ends nothing else: the workers continue, and Wait
// returns an error that matches dmap.ErrOpen and the cause. Its methods are safe for concurrent
// use; it is a dmap.LiveRun, for package dmapweb, progress or dmapotel.
//
// Counts, times and calls are those of finished leases, and of the heartbeats of the others, which
// Settings.Beat spaces: they are read once a second while somebody looks, who is an observer of
// this Run, or a caller of Stats, Times, Written, InFlight, Failures or Workers in the last ten
// seconds. Otherwise they are read every ten seconds, and the first look finds those. They are of
// the whole run. Only the work of attempts that a crashed worker did not report is known by their
// last heartbeat: in Times, Written and Stats.Throttled. Quantiles of the times of calls are of
// those that heartbeats have reported. A job with Options.Redact.Key sends no keys, so that
// InFlight is empty.
//
// Settings.Observer gets RunStarted, once the run answers or 5 s after Start; PhaseChanged; Edited
// for each setting that is found changed, by any process; Committed at most once a second, with the
// items that all records since then have settled and with the number of such events as Number; and
// RunEnded. It gets no events of single calls and items: the Observer of Job.Options gets those, on
// each worker. Functions of an Observer have the same 10 s as in package dmap.
type Run struct {
	id        string
	asker     asker
	opened    bool // another process has started the run
	orders    *orders
	events    *events
	attention *attention
	done      chan struct{}

	mu    sync.Mutex    // guards the fields below
	view  wholerun.View // as of the latest reading
	name  string        // of the source; empty: not known
	final dmap.Stats    // once done is closed, as err
	err   error
}

var _ dmap.LiveRun = (*Run)(nil)

// ID returns the run's ID.
func (r *Run) ID() string { return r.id }

// Stats returns the counts as of the latest reading, or the final ones.
func (r *Run) Stats() dmap.Stats {
	r.attention.look()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over() {
		return r.final
	}
	s := r.stats()
	if paused := r.orders.wantsPaused(); paused != nil {
		s.Paused = *paused
	}
	return s
}

// stats are those of the view. The caller holds mu.
func (r *Run) stats() dmap.Stats {
	s := r.view.Stats()
	s.RunID = r.id
	return s
}

func (r *Run) over() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// Times says how the workers have spent their time.
func (r *Run) Times() dmap.Times {
	r.attention.look()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.view.Times()
}

// Written is the number of bytes of results that the workers have stored.
func (r *Run) Written() int64 {
	r.attention.look()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.view.Written()
}

// InFlight returns n of the calls that run for the longest time, the longest first. Each lease
// names its three oldest, each second, with their ages at that time.
func (r *Run) InFlight(n int) []dmap.InFlightCall {
	r.attention.look()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over() {
		return nil
	}
	return r.view.InFlight(r.id, n)
}

// Failures are the failed items in groups, the group with the most of them first, and "other" last:
// those that commits have stored, by the newest heartbeats. Each lease sends its largest groups in
// at most 1 KiB, and the run keeps the ten largest in at most 2 KiB; the others count as "other".
// Failures of a lease since its last heartbeat are missing for up to a minute. After the end of the
// run they are those of the whole run.
func (r *Run) Failures() []dmap.FailureGroup {
	r.attention.look()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.view.Failures()
}

// Workers are the processes that have leases of the run, or that have lost some.
func (r *Run) Workers() []dmap.RunWorker {
	r.attention.look()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.view.Workers()
}

// Done is closed when the run has ended, or the context of Start or Open has.
func (r *Run) Done() <-chan struct{} { return r.done }

// Wait waits for Done. The error is nil after success. Otherwise it matches the error of dmap.Map
// for the same end: dmap.ErrTolerance, dmap.ErrCanceled, dmap.ErrFenced (another host or process
// has taken the run over), dmap.ErrSpecChanged, dmap.ErrHeld, or dmap.ErrOpen, then maybe with
// dmap.ErrSuspended, a *dmap.BudgetError, dmap.ErrNoObjects, or the cause of the context. Start or
// dmap.Map continues an open run. An error of a server that refuses to answer says nothing about
// the run.
func (r *Run) Wait() (dmap.Stats, error) {
	<-r.done
	return r.final, r.err
}
