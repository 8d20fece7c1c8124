package dmap

import (
	"context"
	"errors"
	"iter"
)

// ErrSkip marks an item as skipped: it is counted under [Stats.Skipped] and gets no result. A source sets it as
// [Item.Err] (a folder marker, an item that a filter drops: fn is not called); a function may return it.
var ErrSkip = errors.New("skip this item")

// Source yields the items of one run: the same items in the same order every time it is read.
//
// A non-nil error ends the run. An item that is merely bad carries its own [Item.Err] and fails alone.
// Items may be called several times; each sequence is consumed by one goroutine.
// A Source that is also a fmt.Stringer is named by it in errors and run records: kind and location, no credentials.
type Source[T any] interface {
	Items(ctx context.Context) iter.Seq2[Item[T], error]
}

// Splitter is a Source that can be read in pieces: in parallel, on other machines, from the middle after a crash.
//
// Reading all Splits in order yields exactly what Items yields. Read is called from several goroutines at once.
type Splitter[T any] interface {
	Source[T]
	// Splits yields the pieces in source order, as they become known.
	Splits(ctx context.Context) iter.Seq2[Split, error]
	// Read yields the items of s. s.From may be any Item.Next that an earlier Read of that split yielded:
	// then exactly the items after that one follow, with the same keys, offsets and values.
	Read(ctx context.Context, s Split) iter.Seq2[Item[T], error]
}

// Filler is a Splitter that can put many items in place at once, where they lie in memory or are computed, and what they
// cost is little more than being moved. Then Fill is called instead of Read, unless the source is a Cutter too.
type Filler[T any] interface {
	Splitter[T]
	// Fill sets items to the first that Read would yield for s, without their Index, and returns how many: fewer than there
	// is space for only at the end of s. It does not wait, and none of them is skipped. items are zero before.
	Fill(ctx context.Context, s Split, items []Item[T]) (n int, err error)
}

// Resumer is a Splitter that can plan the splits of a run that goes on without looking at all that lies before. Then Resume is
// called instead of Splits.
type Resumer interface {
	// Resume is Splits, but may leave out what is settled of splits with an ID: all up to a cursor that settled returns,
	// where a split may begin. That is the zero Cursor if nothing is known, or if all of it is settled.
	Resume(ctx context.Context, settled func(id string) Cursor) iter.Seq2[Split, error]
}

// Cutter is a Splitter whose splits can be cut while they are read, so that a reader with nothing left takes part of what
// lies before another. Pieces of a split keep its ID.
type Cutter interface {
	// Readers is how many splits are worth reading at once.
	Readers() int
	// Cut looks at the splits that are being read, each From where its reader is now, and says which of them to cut, and
	// where: one reader stops at the cursor (see [EndOf]), another goes on behind it. ok is false if no cut is worth it
	// now: it is asked again when reading has gone on. It may ask the store. Calls are serial within a run.
	Cut(ctx context.Context, reading []Split) (which int, at Cursor, ok bool)
}

// Cursor is a position in a split: after Key in a listing, at Offset in an object. The zero Cursor is the start as
// a From and the end as a To.
type Cursor struct {
	Key    string `json:"key,omitempty"`
	Offset int64  `json:"offset,omitempty"`
}

// Split is a piece of a source that can be read on its own: the half-open interval [From, To) of an object's bytes, or
// the keys after From up to and including To of a listing. It is plain data and means the same on every machine.
type Split struct {
	ID      string `json:"id"`                // stable between runs; splits of one ID lie one behind the other and do not overlap
	Object  string `json:"object,omitempty"`  // the object it lies in, if it is one
	Version string `json:"version,omitempty"` // of that object, where the source knows it
	From    Cursor `json:"from,omitzero"`
	To      Cursor `json:"to,omitzero"`
}

// Item is one unit of work.
type Item[T any] struct {
	Key    string // the object's key; for records that of the object they come from (shared, not built per record)
	Offset int64  // of a record in its object, in bytes; WholeObject for an object itself
	Index  int64  // position in its split, from 0
	Value  T
	Size   int64  // bytes, for batch.Limits.Bytes and the memory bound; 0 if unknown
	Next   Cursor // where reading goes on after this item
	Err    error  // the item could not be read: it fails without a call; ErrSkip: it is skipped
}

// ID names the item in its source: "data/a.json" for an object, "orders.csv@1024" for a record.
func (i Item[T]) ID() string { return itemID(i.Key, i.Offset) }

// Pieces returns src itself if it is a Splitter, else src as a single split whose cursors count items: it can be read
// from the middle too, at the price of reading and dropping what lies before.
func Pieces[T any](src Source[T]) Splitter[T] {
	if s, ok := src.(Splitter[T]); ok {
		return s
	}
	return whole[T]{src}
}

// whole reads a source that knows no pieces as one.
type whole[T any] struct{ Source[T] }

func (w whole[T]) Splits(context.Context) iter.Seq2[Split, error] {
	return func(yield func(Split, error) bool) { yield(Split{ID: "all"}, nil) }
}

func (w whole[T]) Read(ctx context.Context, s Split) iter.Seq2[Item[T], error] {
	return func(yield func(Item[T], error) bool) {
		var n int64
		for item, err := range w.Items(ctx) {
			if err == nil {
				item.Index = n
				n++
				item.Next = Cursor{Offset: n}
				if n <= s.From.Offset {
					continue
				}
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}
