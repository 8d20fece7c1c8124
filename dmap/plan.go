package dmap

import (
	"context"
	"iter"
	"math/rand/v2"
)

// Planner is a Source that can be read in splits: by several readers at once, from the middle after
// a crash.
type Planner[T any] interface {
	Source[T]
	// Plan says how. It does no I/O. Map calls it a few times before a run, and so does each source
	// that wraps this one.
	Plan() Plan[T]
}

// Plan says how a source is read in splits. Splits and Read are required; each other function may
// be nil, which means that the source cannot do this. A source that wraps another copies the Plan
// of that one, changes some functions, and sets to nil the functions that it cannot keep.
//
// The functions are called from several goroutines at once, unless they say otherwise. Reading all
// splits in order yields exactly what Items yields.
type Plan[T any] struct {
	// Err is all that is wrong with the arguments of the source, joined. Map returns it before any
	// I/O, and a source that wraps this one includes it in its own. If it is set, Map uses nothing
	// else of the Plan. nil: nothing is wrong.
	Err error
	// Splits yields the splits in source order, as they become known. It is called once per run,
	// and consumed by one goroutine. An error ends the run.
	Splits func(ctx context.Context) iter.Seq2[Split, error]
	// Read yields the items of s. s.From may be any Item.Next that an earlier Read of this split
	// yielded: then exactly the items after that one follow, with the same keys, offsets and
	// values. Read may yield items after s.To: the engine stops there. An error ends the run,
	// except ErrNoObjects, and a *BrokenObjectError, which leaves the rest of s unread.
	Read func(ctx context.Context, s Split) iter.Seq2[Item[T], error]
	// Version returns the Version of a split that Splits leaves without one because it takes time
	// to compute, such as a hash of the values of a slice. The engine calls it in durable runs, for
	// each split in order, before the split is read; the splits of a run that resumes must have the
	// Versions that they had before. Before a redrive it calls Version for settled parts of splits,
	// with their ID and the Version that they had: the result must be that of the whole split. ""
	// is compared with nothing. An error ends the run.
	Version func(ctx context.Context, s Split) (string, error)
	// Rest compares an object with its earlier content. s is the rest of an object that broke off:
	// its ID, Object, From and Before. s.Version is the one that the object must have now; empty:
	// any. If the content before s.From is that of s.Before, Rest returns the Version with which
	// Read reads the object now. An error of the class "changed" (see Class) says that it is not,
	// or that nobody knows; a *BrokenObjectError leaves the rest unread; any other ends the run.
	// Only a redrive calls it. nil: the source reads no object of another Version on.
	Rest func(ctx context.Context, s Split) (version string, err error)
	// Fill sets items to the first items that Read would yield for s, without their Index, and
	// returns their number, which is less than len(items) only at the end of s. It does not block;
	// it is for items that lie in memory or are computed. The engine passes zeroed items and calls
	// Fill instead of Read, unless TrySplit is set.
	Fill func(ctx context.Context, s Split, items []Item[T]) (n int, err error)
	// Resume is Splits for a run that resumes. It may leave out settled parts: settled returns
	// the cursor up to which the split with this ID is settled from its start, and false if nothing
	// at its start is. The zero Cursor with true means that the whole split is settled. Resume asks
	// about the splits in source order.
	Resume func(ctx context.Context, settled func(id string) (Cursor, bool)) iter.Seq2[Split, error]
	// TrySplit divides a split while it is read, for a reader that has run out of splits. reading
	// are the splits that are being read, each From the position of its reader. TrySplit returns
	// one of them and a cursor inside it: its reader stops there (see EndOf), and the idle reader
	// reads the rest, as a split with the same ID. ok is false if no division is worth it now; the
	// engine asks again after more has been read. TrySplit may ask the store. The engine makes one
	// call at a time in a run.
	TrySplit func(ctx context.Context, reading []Split) (which int, at Cursor, ok bool)
	// Sharing says how the items of s, which Splits has yielded, are divided between machines. nil:
	// SharedByReading.
	Sharing func(s Split) Sharing
	// Skim is Read without the Values of items, for a machine that divides s and calls nothing.
	// Items may lack their Err. nil: Read, whose work for the Values is lost.
	Skim func(ctx context.Context, s Split) iter.Seq2[Item[T], error]
	// Seeks reports whether a Read of s costs little more if s.From lies far inside: the
	// bytes before it need not be read. A redrive reads all items of a split that it takes in one
	// pass where Seeks is nil or false, and leaves out long gaps where it is true.
	Seeks func(s Split) bool
	// Find returns the item of s whose Next is s.To, as it is now, at the cost of one request: a
	// redrive calls it instead of Read. s.From is the position before it. An error of class "gone"
	// or "changed" (see Class) fails the item; any other ends the run. errors.ErrUnsupported: this
	// item must be read. nil: no item can be found so.
	Find func(ctx context.Context, s Split) (Item[T], error)
	// Layout says how the object of s is read now, for Redrive.Changed: its Version is another one
	// than s.Version, at which a row has failed. s.From is where the reading began that has yielded
	// the row. Then Read is called with s.ID, the Version and the From of the Layout. It is for
	// splits whose items are the records of one object, in the order of their Offsets. An error of
	// class "gone" or "changed" (see Class) fails the item; errors.ErrUnsupported: its rows cannot
	// be found; any other ends the run. nil: rows of objects that have changed are not taken.
	Layout func(ctx context.Context, s Split) (Layout, error)
	// Preflight tries what the source needs, for dmap.Preflight: it lists the first objects, opens
	// one, decodes a record, also after another try has failed, and reports each try. It changes
	// nothing. A try that hangs must leave time for the others before the deadline of ctx. report
	// may be called from any goroutine until Preflight returns. nil: dmap.Preflight reads the first
	// item.
	Preflight func(ctx context.Context, report func(Check))
	// Sample passes a random sample of many more than n items to add, each item with the same
	// probability, and returns the total of all items and of their bytes, for Estimate. It reads a
	// small part of the source. errors.ErrUnsupported, or nil: Estimate reads the items up to
	// Sampling.MaxRead.
	Sample func(ctx context.Context, n int, random *rand.Rand, add func(Item[T])) (items, bytes Range, err error)
	// Readers is the number of splits to read at once, 1 to 256. 0: 8. Options.MaxItems and
	// MaxConcurrency 1 need the order of the source, so there one reader reads.
	Readers int

	// The rest is for sources that wrap this one: Concat and Flatten of package source. Each may be
	// left out.

	// LocalKeys reports whether the keys of the items of s are unique only within this source, as
	// those of a slice are, which are numbered from 0. Where it returns true, Concat puts the
	// position of this source before the key. nil: the keys name something outside, such as
	// objects, and Concat leaves them as they are.
	LocalKeys func(s Split) bool
	// Whole is the whole source as one split that can be read without Splits, by a single request
	// if the source reads an object; its cursors must be Offsets without a Key. Flatten, which
	// reads many such sources at once, reads it so, and resumes inside it at an Offset. The zero
	// Split: there is none, so Flatten reads Items and counts them.
	Whole Split
	// Origins are the places that values belong to which can be opened, in source order: what
	// source.Object keeps about its bucket. A source that passes such values on passes Origins on.
	// Flatten finds a single origin by itself; of several it needs the list, because a resumed run
	// must number them as the first run did.
	Origins []any
}

// PlanOf returns the Plan of src. A source without one is read as a single split whose cursors
// count items: a resumed run reads and drops the items before its cursor.
func PlanOf[T any](src Source[T]) Plan[T] {
	if p, ok := src.(Planner[T]); ok {
		return p.Plan()
	}
	w := whole[T]{src}
	return Plan[T]{Splits: w.splits, Read: w.read, Sharing: func(Split) Sharing { return NotShared }}
}
