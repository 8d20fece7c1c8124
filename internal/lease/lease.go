// Package lease has what a coordinator and its workers say to each other about a run on many
// machines. All of it is plain data, which goes through JSON.
package lease

import (
	"errors"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/tolerance"
)

// ErrRefused is matched by the error of a run that machines cannot share, or not any more, whatever
// they do. Its text says how dmap.Map continues it.
var ErrRefused = errors.New("machines cannot share the run")

// Ref names an attempt at a lease.
type Ref struct {
	Lease   int64 `json:"lease"`   // in the run, from 0: never used again
	Attempt int   `json:"attempt"` // from 1
	// Era is the number of the root record from which on the host that gave the lease has the run.
	Era int64 `json:"era"`
}

// Starter names a host while it begins, so that an attempt at this that was given up, and comes
// back, does not take the run from the next attempt. The zero Starter makes one attempt.
type Starter struct {
	ID      string // of the host
	Attempt int    // from 1
}

// Lease is a set of splits that one worker may process, and its shares of the amounts of the run.
type Lease struct {
	Ref
	// Splits are disjoint, also with those of all other leases of the run. Some may be lists of
	// items to read again: see journal.TakenPart.
	Splits  []dmap.Split `json:"splits"`
	Redrive int          `json:"redrive,omitempty"` // that the run is in; 0: none
	// Rest is the most splits of Report.Rest. A report that needs more says Unfinished instead.
	Rest  int   `json:"rest"`
	Slots int   `json:"slots"`           // calls at once, when it begins
	Grant Grant `json:"grant,omitzero"`  // by which it has them
	Items int64 `json:"items,omitempty"` // the first items in order, those that the source skips not counted; 0: no limit
	// The shares below are of the lease, over all of its attempts: its sealed lanes count.

	// Failures is the lease's share of the tolerance: the lease returns once more items have
	// failed. -1: no limit.
	Failures int64 `json:"failures"`
	// Percentage and Above are its share of a tolerance in per cent: the lease returns once more
	// than Above items have failed beyond Percentage of those that it has settled. 0: no limit.
	Percentage float64 `json:"percentage,omitempty"`
	Above      int64   `json:"above,omitempty"`
	// Budget is its share of the budget. The lease returns when it has reached a field.
	Budget dmap.Budget `json:"budget,omitzero"`
	// Enough is its share of the successes that are missing. The lease returns when it has as many.
	// 0: no limit.
	Enough int64 `json:"enough,omitempty"`

	// Time is how long the lease reads, from its first item on. It finishes all items that it has
	// read by then, with all retries. 0: no limit.
	Time time.Duration `json:"time"`
	Rate dmap.Rate     `json:"rate,omitzero"` // of this lease
	// CommitEvery is the commit window of the lease's lane. 0: that of the run's options.
	CommitEvery time.Duration `json:"commitEvery,omitempty"`
}

// Exceeded reports whether the lease must return because more than its share of items has failed,
// of settled ones in all of its lanes.
func (l Lease) Exceeded(failed, settled int64) bool {
	if l.Failures >= 0 && failed > l.Failures {
		return true
	}
	return l.Percentage > 0 && failed > l.Above && tolerance.MoreThanPercent(failed-l.Above, settled, l.Percentage)
}

// Reason says why a lease has returned.
type Reason string

// The reasons.
const (
	Done     Reason = "done"     // nothing is left
	Late     Reason = "time"     // Lease.Time is over
	Asked    Reason = "asked"    // the coordinator or the worker wanted it back
	Failures Reason = "failures" // Lease.Exceeded
	Spent    Reason = "budget"   // Lease.Budget is used, or Lease.Enough items have succeeded
	Fenced   Reason = "fenced"   // another host or process has the run
	Fatal    Reason = "fatal"    // the run cannot continue: Report.Error says why
)

// Shed gives back splits that an attempt has not read and will not read, before it reports, so that
// other workers need not wait for its calls in flight. A coordinator may refuse it: the Report has
// all that is left, whether it was shed or not.
type Shed struct {
	Ref
	Rest []dmap.Split `json:"rest,omitempty"`
	// Calls is the most calls at once that the lease still makes, with those of the leases that use
	// its slots. A later message without a Rest may have fewer.
	Calls int `json:"calls"`
}

// Report is what the worker says about a lease. The first to report the final state of a lane
// counts.
type Report struct {
	Ref
	Reason Reason         `json:"reason"`
	Error  string         `json:"error,omitempty"` // with Fatal
	Counts journal.Counts `json:"counts"`          // of all lanes of the lease: those that the worker sealed, and its own
	// Rest are the splits that no lane of the lease has settled, without Broken and Empty.
	Rest []dmap.Split `json:"rest,omitempty"`
	// Unfinished says that the lease continues with its next attempt, from its lanes: Rest is
	// empty.
	Unfinished bool `json:"unfinished,omitempty"`
	// Broken are the rests of objects that break off, as Unread.Splits has them: another attempt
	// would find the same.
	Broken []dmap.Split `json:"broken,omitempty"`
	// Empty are splits of listings in which this attempt has seen no object. Such a split counts as
	// settled once another lease has settled an item of a split with the same ID; without any the
	// run is open with dmap.ErrNoObjects.
	Empty []dmap.Split `json:"empty,omitempty"`
	// Moved are slots of the lease that others have, if the run is still in this Edition of the
	// grant. The coordinator may give the rest of them to a new lease.
	Moved   []Moved `json:"moved,omitempty"`
	Edition int64   `json:"edition,omitempty"`
	// Worked is the time that the calls of this attempt took, and Wall that of the attempt.
	Worked time.Duration `json:"worked"`
	Wall   time.Duration `json:"wall"`
	// Spent are sums of this attempt for people, without Called: that is Worked.
	Spent Effort `json:"spent,omitzero"`
}
