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
}

// Commit is one record of a journal.
type Commit struct {
	Number   int64                      `json:"number"` // from 0, without gaps
	Settled  []Interval                 `json:"settled,omitempty"`
	Prefixes []Prefix                   `json:"prefixes,omitempty"` // of the sequences that are read, in the order of their splits
	Counts   Counts                     `json:"counts"`
	States   map[string]json.RawMessage `json:"states,omitempty"` // of the sinks that are Committers, by position
	Begins   bool                       `json:"begins,omitempty"` // a process resumes the run with this record
	Clean    bool                       `json:"clean,omitempty"`  // the last record of a process that stopped by itself
	Stop     *Stop                      `json:"stop,omitempty"`   // of a Clean one that leaves the run open: why
	Trying   []Trial                    `json:"trying,omitempty"` // items that are about to be called
	Back     []Interval                 `json:"back,omitempty"`   // announced items whose call has returned
	// Redrive says that a redrive begins with this record: the settled intervals of earlier ones no
	// longer count.
	Redrive *Begun `json:"redrive,omitempty"`
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

	Redriven int64 `json:"redriven,omitempty"` // failed items that a redrive took: they no longer count as failed
	Again    int64 `json:"again,omitempty"`    // items of Redriven that have settled again
	Gone     int64 `json:"gone,omitempty"`     // of these, items that failed because the source no longer has them

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
	c.Redriven += o.Redriven
	c.Again += o.Again
	c.Gone += o.Gone
	c.Elapsed += o.Elapsed
}

// NowFailed is the number of items whose last outcome is a failure.
func (c *Counts) NowFailed() int64 { return c.Failed - c.Redriven }

// Outstanding is the number of items that redrives took and that have not settled again.
func (c *Counts) Outstanding() int64 { return c.Redriven - c.Again }

// Progress is the union of the commits of a run.
type Progress struct {
	Resumed  bool                         // the run was begun before
	Number   int64                        // of the next commit
	Settled  []Interval                   // in order, merged
	Prefixes Prefixes                     // of sequences
	Counts   Counts                       // sums
	States   map[string][]json.RawMessage // of Committers, in the order of the commits
	Clean    bool                         // the last process stopped by itself
	Trials   []Trial                      // announced items that have not settled
	Begun    *Begun                       // the latest redrive; nil: there was none
	Redrive  *Redrive                     // the redrive that is under way; nil: none. Apply does not set it
}

// Apply adds commits, in order, to the union.
func (p *Progress) Apply(commits ...Commit) {
	settled := NewIntervalSet(p.Settled)
	for _, c := range commits {
		p.Number = c.Number + 1
		p.Clean = c.Clean
		p.Counts.Add(c.Counts)
		if c.Redrive != nil {
			p.begin(c.Redrive, settled)
		}
		for _, v := range c.Settled {
			settled.Add(v)
		}
		for _, prefix := range c.Prefixes {
			p.Prefixes.Extend(prefix)
		}
		for sink, state := range c.States {
			if p.States == nil {
				p.States = make(map[string][]json.RawMessage)
			}
			p.States[sink] = append(p.States[sink], state)
		}
		p.applyTrials(c, settled)
	}
	p.dropTrials()
	p.Settled = settled.All()
}
