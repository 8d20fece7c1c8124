package dmap

import (
	"context"
	"errors"
	"iter"
)

// ErrSkip marks an item as skipped: it is counted under [Stats.Skipped] and gets no result. A
// source sets it as [Item.Err] (a folder marker, an item that a filter drops: fn is not called); a
// function may return it.
var ErrSkip = errors.New("skip this item")

// ErrNoObjects is matched by the error of a run over an empty listing. The run processes everything
// else and stays open: objects that arrive later are found by the same call.
//
// A listing that is read from its start ends with an error that matches it if it has seen no
// object. A listed key that does not count as an object, because a pattern leaves it out, is an
// item whose Err matches ErrSkip and ErrNoObjects. The engine judges a split over all its pieces
// and all processes of the run, and settles nothing of an empty one.
var ErrNoObjects = errors.New("no objects")

// Source yields the items of one run: the same items in the same order every time it is read.
//
// A non-nil error ends the run, with two exceptions: one that matches [ErrNoObjects], and a
// [*BrokenObjectError]. An item that is merely bad carries its own [Item.Err] and fails alone.
// Items may be called several times; each sequence is consumed by one goroutine. When its context
// is canceled, a sequence that is not complete ends with an error that matches the context's cause.
//
// In a durable run, a source without a Plan must yield values that can be compared between
// processes: all that they hold and point to counts, except for fields with the tag `dmap:"-"`. A
// run does not resume with other items, or with the same items in another order.
//
// A Source that is also a fmt.Stringer is named by it in errors and run records: kind and location,
// no credentials. A Source that is also a [Planner] is read by several goroutines at once, and
// resumes in the middle.
type Source[T any] interface {
	Items(ctx context.Context) iter.Seq2[Item[T], error]
}

// Cursor is a position in a split: the key last listed, or an offset. Cursors are ordered by Key,
// then by Offset. In Split.From the zero Cursor means the start, in Split.To the end.
type Cursor struct {
	Key    string `json:"key,omitempty"`
	Offset int64  `json:"offset,omitempty"`
}

// Split is a part of a source that can be read on its own: the half-open interval [From, To) of an
// object's bytes, or the keys after From up to and including To of a listing. It is plain data and
// means the same on every machine.
type Split struct {
	// ID is the same in every run. Splits with the same ID come in order and do not overlap.
	ID     string `json:"id"`
	Object string `json:"object,omitempty"` // the key of the object that the split is part of, if any
	// Version is that of the object, if the source knows it. A run does not resume a split whose
	// Version has changed: it ends with ErrSpecChanged. With several objects, and in a redrive, the
	// object breaks off instead.
	Version string `json:"version,omitempty"`
	From    Cursor `json:"from,omitzero"`
	To      Cursor `json:"to,omitzero"`
	// Before identifies the content of the object before From, if From is where a broken object
	// broke off: the Hash of its BrokenObjectError. A redrive reads an object of another Version on
	// from there if its content before From is still the same: see Plan.Rest.
	Before string `json:"before,omitempty"`
}

// Item is one unit of work.
type Item[T any] struct {
	Key    string // the object's key; for records that of the object they come from (shared, not built per record)
	Offset int64  // of a record in its object, in bytes; WholeObject for an object itself
	Index  int64  // position in its split, from 0
	Value  T
	Size   int64  // bytes, for batch.Limits.Bytes and the memory bound; 0 if unknown
	Next   Cursor // the position after this item, where a later reading resumes
	Err    error  // the item could not be read: it fails without a call; ErrSkip: it is skipped; or a *BrokenObjectError
}

// ID names the item in its source: "data/a.json" for an object, "orders.csv@1024" for a record.
func (i Item[T]) ID() string { return itemID(i.Key, i.Offset) }
