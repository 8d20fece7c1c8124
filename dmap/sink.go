package dmap

import (
	"context"
	"fmt"
	"time"

	"github.com/go-dmap/dmap/batch"
)

// Result is the final outcome of one item.
type Result[R any] struct {
	Info
	Value   R             // what the function returned; zero if Err is set
	Err     error         // nil: succeeded. Else the item failed, after Info.Attempt calls (0: it could not be read)
	Input   any           // a pointer to the item's value, *T
	Elapsed time.Duration // of the last call; for a batch that of the whole call

	// Version, Start and Next say where to read the item again. In the split with the ID Info.Split and this
	// Split.Version, a Read from Start yields the item before all others that are not skipped. Next is its Item.Next.
	// A failed result has them; a success has them in a durable run only.
	Version     string
	Start, Next Cursor
}

// Sink receives the results of a run.
//
// Write gets the results of one or more calls, in source order within one Write, and may keep the slice.
// Calls of Write are serial unless the Sink is a [ConcurrentSink]. A non-nil error ends the run.
// Flush makes all that was written durable; it is called once, after the last Write. ctx outlives the run's own context
// by Options.DrainTimeout, so that a cancelled run can still save its results.
type Sink[R any] interface {
	Write(ctx context.Context, results []Result[R]) error
	Flush(ctx context.Context) error
}

// Rejected is what Write returns when it took all results but could keep some successes only as failures, by their
// position in results: an output that has no JSON form, say. The run goes on and counts them as failed.
type Rejected map[int]error

func (r Rejected) Error() string {
	return fmt.Sprintf("%d results could not be stored as successes", len(r))
}

// ConcurrentSink is a Sink whose Write is safe for concurrent use: the workers call it directly.
type ConcurrentSink interface{ ConcurrentWrites() }

// BorrowingSink is a Sink that keeps nothing of what Write gets once it has returned: neither the slice nor the Inputs.
// Where all sinks are such, that memory is used again.
type BorrowingSink interface{ BorrowsResults() }

// Recorder is a Sink that keeps a record of the run itself. Begin is called before the first item is read: an error keeps
// the run from starting. End is called once, after Flush, for every run that began, however it ended.
type Recorder interface {
	Begin(ctx context.Context, b Beginning) error
	End(ctx context.Context, e Ending) error
}

// Beginning describes a run that starts.
type Beginning struct {
	RunID   string       `json:"runId"`
	Source  string       `json:"source,omitempty"` // the source's String, if it has one
	Started time.Time    `json:"started"`
	Options Options      `json:"options"`
	Batch   batch.Limits `json:"batch,omitzero"`
}

// Differs names what b and old do not share of what may not change when a run goes on, with both values. Concurrency,
// retries, timeouts and tolerance may.
func (b Beginning) Differs(old Beginning) []string {
	var fields []string
	field := func(name string, now, then any) {
		if now != then {
			fields = append(fields, fmt.Sprintf("%s: %v, begun with %v", name, now, then))
		}
	}
	field("source", b.Source, old.Source)
	field("MaxItems", b.Options.MaxItems, old.Options.MaxItems)
	field("Version", b.Options.Version, old.Options.Version)
	field("batch", b.Batch, old.Batch)
	return fields
}

// Ending describes a run that has ended.
type Ending struct {
	Stats   Stats
	Err     error     // what the run returns; nil: it succeeded
	Pending []Pending // items that were read and never settled: bounded by concurrency and chunks, not by the source
	Unread  Unread    // what was not read
	// Resumable says that the run has not come to its end: a call with the same RunID goes on with it, so its final
	// record must not be written.
	Resumable bool
}

// Pending is an item that was read but has no outcome: interrupted, waiting for a retry, or never started.
type Pending struct {
	Info
	Input any   // a pointer to the item's value, *T
	Err   error // of the last attempt, if there was one

	// Version, Start and Next are as in [Result].
	Version     string
	Start, Next Cursor
}

// Unread names the part of a source that a run left unread. The zero Unread says that all was read.
type Unread struct {
	Splits []Split `json:"splits,omitempty"` // planned, and not read from their From on
	After  *Split  `json:"after,omitempty"`  // the splits that follow this one in source order were never planned
	All    bool    `json:"all,omitempty"`    // nothing was planned at all
	// Settled is what earlier processes of the run have settled, also of the splits that this one never planned; see Left.
	Settled []Interval `json:"settled,omitempty"`
}

// Left returns a function that says what is left of a split that follows After, or has its ID, or of any with All: nothing,
// or some pieces. Splits of the ID of After may have been cut elsewhere meanwhile.
func (u Unread) Left() func(Split) []Split {
	done := coverageOf(u.Settled)
	if u.After != nil {
		done.add(Interval{Split: u.After.ID, To: u.After.To})
	}
	return done.rest
}
