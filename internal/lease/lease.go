// Package lease has what a coordinator and its workers say to each other about a run on many
// machines. All of it is plain data, which goes through JSON.
package lease

import (
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
)

// Ref names an attempt at a lease.
type Ref struct {
	Lease   int64 `json:"lease"`   // in the run, from 0: never used again
	Attempt int   `json:"attempt"` // from 1
	// Era is the number of the root record from which on the host that gave the lease has the run.
	Era int64 `json:"era"`
}

// Lease is a set of splits that one worker may process, and what it may use for that.
type Lease struct {
	Ref
	Splits []dmap.Split `json:"splits"` // disjoint, also with those of all other leases of the run
	Slots  int          `json:"slots"`  // calls at once
	// Failures is the lease's share of the tolerance: the lease returns once more items have failed.
	// -1: no limit.
	Failures int64 `json:"failures"`
	// Time is how long the lease reads, from its first item on. What it has read by then it finishes,
	// with all retries. 0: no limit.
	Time time.Duration `json:"time"`
	Rate dmap.Rate     `json:"rate,omitzero"` // of this lease
	// CommitEvery is the commit window of the lease's lane. 0: that of the run's options.
	CommitEvery time.Duration `json:"commitEvery,omitempty"`
}

// Reason says why a lease has returned.
type Reason string

// The reasons.
const (
	Done     Reason = "done"     // nothing is left
	Late     Reason = "time"     // Lease.Time is over
	Asked    Reason = "asked"    // the coordinator or the worker wanted it back
	Failures Reason = "failures" // more than Lease.Failures
	Fatal    Reason = "fatal"    // the run cannot go on: Report.Error says why
)

// Report is what the worker says about a lease. The first to report the final state of a lane counts.
type Report struct {
	Ref
	Reason Reason         `json:"reason"`
	Error  string         `json:"error,omitempty"` // with Fatal
	Counts journal.Counts `json:"counts"`          // of all lanes of the lease: those that the worker sealed, and its own
	// Rest are the parts that no lane of the lease has settled, without Broken and Empty.
	Rest []dmap.Split `json:"rest,omitempty"`
	// Broken are the rests of objects that break off, as Unread.Splits has them: another attempt
	// would find the same. Errors are those of the first of them.
	Broken []dmap.Split `json:"broken,omitempty"`
	// Empty are splits of listings in which this attempt has seen no object. Such a split counts as
	// settled once another lease has settled an item of a split with the same ID; without any the
	// run is open with dmap.ErrNoObjects.
	Empty  []dmap.Split `json:"empty,omitempty"`
	Errors []string     `json:"errors,omitempty"`
	// Worked is the time that the calls of this attempt took, and Wall that of the attempt.
	Worked time.Duration `json:"worked"`
	Wall   time.Duration `json:"wall"`
}
