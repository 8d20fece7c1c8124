package dmap

import (
	"context"
	"time"
)

// Result is the final outcome of one item.
type Result[R any] struct {
	Info
	Value   R             // what the function returned; zero if Err is set
	Err     error         // nil: succeeded. Else the item failed, after Info.Attempt calls (0: it could not be read)
	Input   any           // a pointer to the item's value, *T
	Elapsed time.Duration // of the last call; for a batch that of the whole call

	// At says where to read a failed item again; nil if it succeeded.
	At *Position
}

// Position is the place of an item in its source: in the split with the ID Info.Split and this
// Split.Version, a Read from Start yields the item before all others that are not skipped. Next is
// its Item.Next.
type Position struct {
	Version     string
	Start, Next Cursor
	// From is where the reading began that has yielded the item: Info.Index counts from there. nil:
	// the source has no Plan.Layout.
	From *Cursor
	// Header is that of SetHeader.
	Header string
}

// Sink receives the results of a run. One Sink may serve one run at a time.
//
// A Sink may also be a [ConcurrentSink], a [BorrowingSink], a [Recorder] and a [Committer], and may
// have a method Validate() error, which Map calls before any I/O. The calls come in this order:
// Validate; Begin; Restore; Write, with Barrier and Commit in between; Flush; Commit; End.
type Sink[R any] interface {
	// Write gets the results of one or more calls, in source order within one Write. It may keep
	// the slice, unless the sink is a BorrowingSink. The workers call it: serially, or at once if
	// the sink is a ConcurrentSink. While Write blocks, its worker calls no function.
	//
	// An error ends the run, except batch.Errors: it says that Write took all results but some
	// successes, which it cannot store (an output without a JSON form, say), by their position in
	// results. Those items count as failed with these errors, and the sink gets them again, as
	// failures, in another Write, which must not reject them.
	//
	// ctx outlives the run's own context by Options.DrainTimeout, so that a canceled run can still
	// save its results.
	Write(ctx context.Context, results []Result[R]) error
	// Flush makes all written results durable. It is called once, after the last Write. An error
	// ends the run.
	Flush(ctx context.Context) error
}

// ConcurrentSink is a Sink whose Write is safe for concurrent use: the workers call it directly.
type ConcurrentSink interface{ ConcurrentWrites() }

// WrittenSink is a Sink that says how many bytes of results it has stored for the run that it
// serves, or has served last, in this process. Written is called at any time, from any goroutine.
type WrittenSink interface{ Written() int64 }

// BorrowingSink is a Sink that keeps neither the slice nor the Inputs after Write has returned. If
// all sinks of a run are BorrowingSinks the engine reuses that memory.
type BorrowingSink interface{ BorrowsResults() }
