package dmap

import (
	"context"
	"iter"
)

// Planner is a Source that can be read in splits: by several readers at once, from the middle after a crash.
type Planner[T any] interface {
	Source[T]
	// Plan says how. It does no I/O; it is called once per run, and once by each source that wraps this one.
	Plan() Plan[T]
}

// Plan says how a source is read in splits. Splits and Read are required; each other function may be nil, which means
// that the source cannot do this. A source that wraps another copies the Plan of that one, replaces what it changes, and
// sets to nil what it cannot keep.
//
// The functions are called from several goroutines at once, unless they say otherwise. Reading all splits in order yields
// exactly what Items yields.
type Plan[T any] struct {
	// Splits yields the splits in source order, as they become known. It is called once per run, and consumed by one
	// goroutine. An error ends the run.
	Splits func(ctx context.Context) iter.Seq2[Split, error]
	// Read yields the items of s. s.From may be any Item.Next that an earlier Read of this split yielded: then exactly
	// the items after that one follow, with the same keys, offsets and values. Read may yield items after s.To: the
	// engine stops there. An error ends the run.
	Read func(ctx context.Context, s Split) iter.Seq2[Item[T], error]
	// Fill sets items to the first items that Read would yield for s, without their Index, and returns their number,
	// which is less than len(items) only at the end of s. It does not block; it is for items that lie in memory or are
	// computed. The engine passes zeroed items and calls Fill instead of Read, unless TrySplit is set.
	Fill func(ctx context.Context, s Split, items []Item[T]) (n int, err error)
	// Resume is Splits for a run that resumes. It may leave out what is settled: settled returns the cursor up to which
	// the split with this ID is settled from its start, and false if nothing at its start is. The zero Cursor with true
	// means that the whole split is settled.
	Resume func(ctx context.Context, settled func(id string) (Cursor, bool)) iter.Seq2[Split, error]
	// TrySplit divides a split while it is read, for a reader that has run out of splits. reading are the splits that
	// are being read, each From the position of its reader. TrySplit returns one of them and a cursor inside it: its
	// reader stops there (see EndOf), and the idle reader reads the rest, as a split with the same ID. ok is false if
	// no division is worth it now; the engine asks again after more has been read. TrySplit may ask the store. The
	// engine makes one call at a time in a run.
	TrySplit func(ctx context.Context, reading []Split) (which int, at Cursor, ok bool)
	// Readers is the number of splits to read at once, 1 to 256. 0: 8. Options.MaxItems and MaxConcurrency 1 need the
	// order of the source, so there one reader reads.
	Readers int
}

// PlanOf returns the Plan of src. A source without one is read as a single split whose cursors count items: a resumed run
// reads and drops the items before its cursor.
func PlanOf[T any](src Source[T]) Plan[T] {
	switch s := src.(type) {
	case Planner[T]:
		return s.Plan()
	case Splitter[T]:
		return splitterPlan(s)
	}
	w := whole[T]{src}
	return Plan[T]{Splits: w.Splits, Read: w.Read}
}

// splitterPlan is the Plan of a source that has its abilities as interfaces.
func splitterPlan[T any](s Splitter[T]) Plan[T] {
	p := Plan[T]{Splits: s.Splits, Read: s.Read}
	if f, ok := s.(Filler[T]); ok {
		p.Fill = f.Fill
	}
	if r, ok := s.(Resumer); ok {
		p.Resume = func(ctx context.Context, settled func(id string) (Cursor, bool)) iter.Seq2[Split, error] {
			return r.Resume(ctx, func(id string) Cursor { at, _ := settled(id); return at })
		}
	}
	if c, ok := s.(Cutter); ok {
		p.TrySplit, p.Readers = c.Cut, c.Readers()
	}
	return p
}
