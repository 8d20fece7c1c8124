package dmap

import (
	"context"
	"encoding/json"

	"github.com/go-dmap/dmap/internal/journal"
)

// Recorder is a Sink that keeps a record of the run itself.
type Recorder interface {
	// Begin is called once, before the first item is read. An error keeps the run from starting.
	Begin(ctx context.Context, spec RunSpec) error
	// End is called once, after Flush, for every run for which Begin returned nil, however the run
	// ended.
	End(ctx context.Context, e Ending) error
}

// Committer is a Sink whose results count exactly once if the run has a journal, which
// [sink.Bucket] brings. The engine calls Barrier, then Commit, then appends the state to the
// journal: from then on the results count. Writes continue between Barrier and the append, and
// belong to the next commit.
//
// [sink.Bucket]: https://pkg.go.dev/github.com/go-dmap/dmap/sink#Bucket
type Committer interface {
	// Barrier marks the end of the commit window: the next Commit covers every Write that returned
	// before it. The engine holds back Write while Barrier runs, so Barrier must not block.
	Barrier()
	// Commit makes the results before the barrier durable and describes them, for Restore. It must
	// not return before they are durable. An error ends the run; the items of the window run again
	// when the run resumes.
	Commit(ctx context.Context) (state json.RawMessage, err error)
	// Restore is called once in a resumed run, after Begin and before the first Write, with the
	// states of the commits that count, in order. Results beyond them do not count: their items run
	// again.
	Restore(ctx context.Context, states []json.RawMessage) error
}

// Ending describes the end of a run in this process. Stats.State says whether the run has ended or
// is open, and Stats.Reason says why.
type Ending struct {
	Stats   Stats
	Err     error     // what the run returns; nil: it succeeded
	Pending []Pending // items that were read and never settled; bounded by concurrency and chunks, not by the source
	Unread  Unread    // the part of the source that was not read
	// Broken are the first 100 objects that broke off. Their rests are in Unread.
	Broken []*BrokenObjectError
	// Tolerance is that of the run at its end.
	Tolerance Tolerance
	// Edits are the newest 100 of the EditCount edits of this process that no record of a journal
	// has: all in a run without one.
	Edits     []Edit
	EditCount int64
	// Resumable says that the run is open (StateOpen), so its final record must not be written.
	Resumable bool
}

// Pending is an item that was read but has no outcome: interrupted, waiting for a retry, or never
// started.
type Pending struct {
	Info
	Input any   // a pointer to the item's value, *T
	Err   error // of the last attempt, if there was one

	At Position // where to read the item again

	taken bool // by a redrive
}

// Unread names the part of a source that a run did not read. The zero Unread says that the run read
// everything.
type Unread struct {
	Splits []Split `json:"splits,omitempty"` // planned, and not read from their From on
	After  *Split  `json:"after,omitempty"`  // no split after this one, in source order, was planned
	All    bool    `json:"all,omitempty"`    // no split was planned at all
	// Settled are the parts of splits that earlier processes of the run have settled, also of
	// splits that this process never planned.
	Settled []Split `json:"settled,omitempty"`
}

// Remaining returns a function that maps a split planned after After (any split, if All is set) to
// those of its parts that no process of the run has settled. Parts have the ID of their split.
func (u Unread) Remaining() func(Split) []Split {
	settled := journal.IntervalSet{}
	for _, s := range u.Settled {
		settled.Add(s.interval())
	}
	if u.After != nil {
		settled.Add(journal.Interval{Split: u.After.ID, To: journal.Cursor(u.After.To)})
	}
	return func(s Split) []Split { return gaps(settled, s) }
}
