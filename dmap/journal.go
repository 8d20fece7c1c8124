package dmap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// What a durable run may end with, for errors.Is.
var (
	ErrFenced      = errors.New("another runner goes on with this run")                  // two processes, one RunID
	ErrSpecChanged = errors.New("the run was begun with another source or options")      // see SpecError
	ErrEnded       = errors.New("the run has ended already")                             // not with success; a redrive may go on
	ErrSuspended   = errors.New("run suspended: call Map with the same RunID to resume") // a cause for Run.Cancel
)

// Journal keeps how far a run has come, so that another process can go on with it. Its records form one sequence: whoever
// finds a number taken is no longer the run's runner, so results count once even if two processes run at the same time.
// One that is an io.Closer is closed when the run that it was opened for is over, also if that failed to start.
type Journal interface {
	// Open begins the run, or returns how far it has come.
	Open(ctx context.Context, b Beginning) (Progress, error)
	// Append makes c durable. ErrFenced: record c.Number is there already, from another runner.
	Append(ctx context.Context, c Commit) error
}

// Journaler is a Sink that may be the run's Journal too. Journal returns nil if it is not.
type Journaler interface{ Journal() Journal }

// Committer is a Sink whose results count exactly once, when the run has a journal. The engine calls Cut, then Commit, then
// Append of the journal; calls of Write go on between Cut and Append, and belong to the next commit.
type Committer interface {
	// Cut draws the line: the next Commit covers what was written before. No Write runs meanwhile, so it must not wait.
	Cut()
	// Commit makes durable what lies before the line and describes it, for Restore.
	Commit(ctx context.Context) (state json.RawMessage, err error)
	// Restore is called before the first Write of a resumed run with the states of the commits that count, in order.
	// Results beyond them do not count: their items run again.
	Restore(ctx context.Context, states []json.RawMessage) error
}

// Commit is one record of a journal: from it on, results count.
type Commit struct {
	Number  int64                      `json:"number"` // from 0, without gaps
	Settled []Interval                 `json:"settled,omitempty"`
	Counts  Counts                     `json:"counts"`
	States  map[string]json.RawMessage `json:"states,omitempty"` // of the sinks that are Committers, by position
	Begins  bool                       `json:"begins,omitempty"` // a process goes on with the run from here
	Clean   bool                       `json:"clean,omitempty"`  // the last record of a process that stopped in order
	Trying  []Trial                    `json:"trying,omitempty"` // items that are about to be called
	Back    []Interval                 `json:"back,omitempty"`   // announced items whose call came back
}

// Counts is what a Commit adds to the counts of the run.
type Counts struct {
	Read      int64 `json:"read"`
	Taken     int64 `json:"taken"` // of Read: what the source did not skip; MaxItems counts these
	Succeeded int64 `json:"succeeded"`
	Failed    int64 `json:"failed"`
	Skipped   int64 `json:"skipped"`
	Calls     int64 `json:"calls"`
	Retries   int64 `json:"retries"`

	Elapsed time.Duration `json:"elapsed,omitempty"` // ns, of the processes that ran the run
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
	c.Elapsed += o.Elapsed
}

// Progress is how far a run has come: the union of its commits.
type Progress struct {
	Resumed bool                         // the run was begun before
	Number  int64                        // of the next commit
	Settled []Interval                   // tidy: in order, merged
	Counts  Counts                       // sums
	States  map[string][]json.RawMessage // of Committers, in order of the commits
	Clean   bool                         // the last process stopped in order
	Trials  []Trial                      // items that were announced and have not settled
	Ended   *Ending                      // the run has its final record: nothing runs any more
}

// Apply adds commits, in order, to the union.
func (p *Progress) Apply(commits ...Commit) {
	settled := coverageOf(p.Settled)
	for _, c := range commits {
		p.Number = c.Number + 1
		p.Clean = c.Clean
		p.Counts.Add(c.Counts)
		for _, v := range c.Settled {
			settled.add(v)
		}
		for sink, state := range c.States {
			if p.States == nil {
				p.States = make(map[string][]json.RawMessage)
			}
			p.States[sink] = append(p.States[sink], state)
		}
		p.try(c, settled)
	}
	p.Settled = settled.all()
}

// SpecError names what differs between a run and the call that wants to go on with it. It matches ErrSpecChanged.
type SpecError struct {
	RunID  string
	Fields []string // such as "maxItems: 10, begun with 20"
}

func (e *SpecError) Error() string {
	return fmt.Sprintf("%v: %s", ErrSpecChanged, strings.Join(e.Fields, "; "))
}

// Is reports whether target is ErrSpecChanged.
func (e *SpecError) Is(target error) bool { return target == ErrSpecChanged }
