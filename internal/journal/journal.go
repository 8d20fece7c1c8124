// Package journal is the record of a durable run: a sequence of commits, each of which names
// settled intervals of the source and the results that count from then on. It is pure data: a sink
// stores it, the engine writes and reads it.
package journal

import (
	"context"
	"encoding/json"
	"time"
)

// Log is where a run appends its commits. The engine closes it once, when the run has ended or
// could not start.
type Log interface {
	// Append makes c durable. It returns an error that matches dmap.ErrFenced if record c.Number
	// exists already, from another runner. Calls are serial.
	Append(ctx context.Context, c Commit) error
	// Close releases the run for other processes.
	Close() error
	Holder
	Absorber
	Lister
}

// Absorber is the part of a Log that takes in what other machines have settled in a run that was
// shared between them. It is no optional interface: a wrapper of a Log that lacks it would have
// their items processed again.
type Absorber interface {
	// Absorb returns the commit that takes in the next leases; ok is false if there are none. It
	// has no Number. It is called after a record with Begins, until ok is false, and each commit is
	// appended before the next call.
	Absorb(ctx context.Context) (c Commit, ok bool, err error)
}

// NoLanes is the Absorber of a Log of a run that is never shared.
type NoLanes struct{}

// Absorb finds nothing.
func (NoLanes) Absorb(context.Context) (Commit, bool, error) { return Commit{}, false, nil }

// Commit is one record of a journal.
type Commit struct {
	Number   int64                      `json:"number"` // from 0, without gaps
	Settled  []Interval                 `json:"settled,omitempty"`
	Prefixes []Prefix                   `json:"prefixes,omitempty"` // of the sequences that are read, in the order of their splits
	Counts   Counts                     `json:"counts"`
	States   map[string]json.RawMessage `json:"states,omitempty"` // of the sinks that are Committers, by position
	// AllStates are those of several commits, in their order, in place of States.
	AllStates map[string][]json.RawMessage `json:"allStates,omitempty"`

	Begins bool    `json:"begins,omitempty"` // a process resumes the run with this record
	Stuck  bool    `json:"stuck,omitempty"`  // with Begins: the process before settled nothing
	Clean  bool    `json:"clean,omitempty"`  // the last record of a process that stopped by itself
	Stop   *Stop   `json:"stop,omitempty"`   // of a Clean one that leaves the run open: why
	Alone  bool    `json:"alone,omitempty"`  // no call is in flight, but of items in Trying
	Trying []Trial `json:"trying,omitempty"` // items that are about to be called
	// Redrive says that a redrive begins with this record: the settled intervals of earlier ones no
	// longer count.
	Redrive *Begun `json:"redrive,omitempty"`
	// Release says that held items run again from this record on: the settled intervals of earlier
	// releases no longer count.
	Release *Release `json:"release,omitempty"`
	// Edits are those since the record before.
	Edits Edits `json:"edits,omitzero"`
	// Tolerance is that of the run from this record on. nil: that of the records before.
	Tolerance *Tolerance `json:"tolerance,omitempty"`
	Shared    bool       `json:"shared,omitempty"`   // with Begins: a host has the run, and gives leases
	Closes    bool       `json:"closes,omitempty"`   // the host gives no more leases
	Absorbed  Leases     `json:"absorbed,omitempty"` // leases whose lanes this record takes in
	Final     bool       `json:"final,omitempty"`    // the last record of a lane
}

// Stop says why a process stopped before the end of its run.
type Stop struct {
	Reason string `json:"reason"` // dmap.Stats.Reason
	Error  string `json:"error,omitempty"`
}

// Counts is what a Commit adds to the counts of the run.
type Counts struct {
	Read      int64 `json:"read"`  // items that settled for the first time
	Taken     int64 `json:"taken"` // of Read, the items that the source did not skip; MaxItems counts these
	Succeeded int64 `json:"succeeded"`
	Failed    int64 `json:"failed"`
	Skipped   int64 `json:"skipped"`
	Calls     int64 `json:"calls"`
	Retries   int64 `json:"retries"`

	Held     int64 `json:"held,omitempty"`     // each hold of an item counts
	Released int64 `json:"released,omitempty"` // held items that were decided: they no longer count as held
	Redriven int64 `json:"redriven,omitempty"` // failed items that a redrive took: they no longer count as failed
	Again    int64 `json:"again,omitempty"`    // items of Redriven and Released that have settled, or are held, again
	Gone     int64 `json:"gone,omitempty"`     // of these, items that failed because the source no longer has them

	Interrupted int64 `json:"interrupted,omitempty"` // calls that are not in Calls, because the end of a process interrupted them

	Bytes int64   `json:"bytes,omitempty"` // of the items of all calls, also of interrupted ones
	Units float64 `json:"units,omitempty"` // that the function has reported, by dmap.Spend

	Elapsed time.Duration `json:"elapsed,omitempty"` // ns, the sum over the processes of the run
}

// Add adds o to c.
func (c *Counts) Add(o Counts) {
	c.Read += o.Read
	c.Taken += o.Taken
	c.Succeeded += o.Succeeded
	c.Failed += o.Failed
	c.Skipped += o.Skipped
	c.Calls += o.Calls
	c.Retries += o.Retries
	c.Held += o.Held
	c.Released += o.Released
	c.Redriven += o.Redriven
	c.Again += o.Again
	c.Gone += o.Gone
	c.Interrupted += o.Interrupted
	c.Bytes = AddBytes(c.Bytes, o.Bytes)
	c.Units = AddUnits(c.Units, o.Units)
	c.Elapsed += o.Elapsed
}

// Minus is the part of c that has come since it was o.
func (c *Counts) Minus(o Counts) Counts {
	d := *c
	d.Read -= o.Read
	d.Taken -= o.Taken
	d.Succeeded -= o.Succeeded
	d.Failed -= o.Failed
	d.Skipped -= o.Skipped
	d.Calls -= o.Calls
	d.Retries -= o.Retries
	d.Held -= o.Held
	d.Released -= o.Released
	d.Redriven -= o.Redriven
	d.Again -= o.Again
	d.Gone -= o.Gone
	d.Interrupted -= o.Interrupted
	d.Bytes -= o.Bytes
	d.Units -= o.Units
	d.Elapsed -= o.Elapsed
	return d
}

// NowFailed is the number of items whose last outcome is a failure.
func (c *Counts) NowFailed() int64 { return c.Failed - c.Redriven }

// NowHeld is the number of items that wait for a decision.
func (c *Counts) NowHeld() int64 { return c.Held - c.Released }

// Outstanding is the number of items that redrives took, or that were decided after a hold, and
// that have neither settled again nor are held again.
func (c *Counts) Outstanding() int64 { return c.Redriven + c.Released - c.Again }
