package dmap

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-dmap/dmap/internal/journal"
)

// A redrive with Redrive.Changed takes a row of an object that has changed if it is still the same
// row, mended: a record begins at its offset, it has the same number, and the header is the same.
// The number counts from where the reading began that yielded the row, its anchor: a reading from
// the middle of a large object does not know the number in the object.

// changedRows finds rows of objects that have changed. It counts the records in one reading of an
// object, from one row to the next. The zero changedRows has not begun to.
type changedRows[T any] struct {
	plan    *Plan[T]
	layouts map[counted]layoutAnswer // of the latest objects

	in     pulled[T]
	split  string // that is read
	now    string // the Version that is read
	last   int64  // offset of the last item that was passed
	passed int64  // items
	counts []anchorSeen
}

// counted is a place from which rows were counted.
type counted struct {
	split, version string
	anchor         Cursor
}

// layoutAnswer is what the source says about an object. An err is of the object.
type layoutAnswer struct {
	Layout
	err error
}

// anchorSeen is an anchor that a reading has come past.
type anchorSeen struct {
	at     Cursor
	passed int64 // items before it, or noRecord
}

// noRecord says that an anchor lies inside a record.
const noRecord = -1

// maxAnchors bounds the known anchors of an object: each process that has read a part of it may
// have one for each of its readings.
const maxAnchors = 64

// find returns the row of t as its object is now, and where it is read again then.
func (c *changedRows[T]) find(ctx context.Context, t *journal.TakenItem) (item Item[T], at origin, err error) {
	at = originOf(t)
	if t.From == nil {
		return item, at, differs("the run has not recorded the number and the header of the row")
	}
	layout, err := c.layout(ctx, t)
	if err != nil {
		return item, at, err
	}
	if layout.Header != t.Header {
		return item, at, differs("its header is another one now")
	}
	c.reach(ctx, t, layout)
	found, err := c.seek(ctx, t)
	if err != nil {
		return item, at, err
	}
	if standsForRest(found) {
		return Item[T]{Err: found.Err}, at, nil
	}
	if err := c.compare(found, t); err != nil {
		return item, at, err
	}
	at.version, at.next = c.now, found.Next
	if c.in.at != (Cursor{}) {
		at.start = c.in.at
	}
	item = *found
	c.pass()
	return item, at, nil
}

// reads reports whether t is in the object that is being read, and not of an earlier version of it.
func (c *changedRows[T]) reads(t *journal.TakenItem) bool {
	return c.in.isOpen() && c.split == t.Split && c.now == t.Version && t.From != nil
}

// layout asks the source about the object of t, unless it has been asked about the same anchor.
func (c *changedRows[T]) layout(ctx context.Context, t *journal.TakenItem) (Layout, error) {
	from := counted{t.Split, t.Version, Cursor(*t.From)}
	answer, known := c.layouts[from]
	if known {
		return answer.Layout, answer.err
	}
	c.in.close() // it may hold memory that the source needs
	answer.Layout, answer.err = c.plan.Layout(ctx, Split{ID: t.Split, Version: t.Version, From: from.anchor})
	if answer.err != nil && Class(answer.err) != "changed" {
		return answer.Layout, answer.err
	}
	if c.layouts == nil || len(c.layouts) == maxAnchors {
		c.layouts = map[counted]layoutAnswer{}
	}
	c.layouts[from] = answer
	return answer.Layout, answer.err
}

// reach starts a reading that counts the records from the anchor of t, unless the present one does.
func (c *changedRows[T]) reach(ctx context.Context, t *journal.TakenItem, layout Layout) {
	anchor := Cursor(*t.From)
	if c.in.isOpen() && c.split == t.Split && c.now == layout.Version && c.last < t.Offset {
		_, known := c.count(anchor)
		skips := layout.From != (Cursor{}) && far(c.in.at, layout.From)
		if known || anchor.compare(c.in.at) >= 0 && !skips {
			return
		}
	}
	c.split, c.now, c.last, c.passed = t.Split, layout.Version, -1, 0
	c.counts = []anchorSeen{{at: layout.From}}
	c.in.open(c.plan.Read(ctx, Split{ID: t.Split, Version: layout.Version, From: layout.From}), layout.From)
}

// seek passes the items before t, and returns the one after them.
func (c *changedRows[T]) seek(ctx context.Context, t *journal.TakenItem) (*Item[T], error) {
	for {
		next, err := c.in.peek()
		if err == errNotFound {
			return nil, differs("it ends before byte %d now", t.Offset)
		}
		if err != nil {
			return nil, err
		}
		c.see(Cursor(*t.From), next)
		if next.Offset >= t.Offset || standsForRest(next) {
			return next, nil
		}
		c.pass()
		if ctx.Err() != nil { // a source in memory may not know ctx
			return nil, context.Cause(ctx)
		}
	}
}

// standsForRest reports whether an item is no record, but the rest of an object that cannot be read.
func standsForRest[T any](item *Item[T]) bool {
	return item.Offset == WholeObject || brokenObject(item.Err) != nil
}

func (c *changedRows[T]) pass() {
	c.last = c.in.held.Offset
	c.passed++
	c.in.pass()
}

// see registers an anchor between the last item and the end of the next one.
func (c *changedRows[T]) see(anchor Cursor, next *Item[T]) {
	if anchor.compare(c.in.at) < 0 || anchor.compare(next.Next) >= 0 {
		return
	}
	if _, known := c.count(anchor); known {
		return
	}
	if len(c.counts) == maxAnchors {
		c.counts = slices.Delete(c.counts, 1, 2)
	}
	seen := anchorSeen{anchor, c.passed}
	if anchor.Key == next.Next.Key && anchor.Offset > next.Offset {
		seen.passed = noRecord
	}
	c.counts = append(c.counts, seen)
}

// count returns the number of items that were passed before an anchor, or noRecord.
func (c *changedRows[T]) count(anchor Cursor) (passed int64, known bool) {
	for _, a := range c.counts {
		if a.at == anchor {
			return a.passed, true
		}
	}
	return 0, false
}

// compare returns an error if the next item of the reading is not the row t.
func (c *changedRows[T]) compare(found *Item[T], t *journal.TakenItem) error {
	if found.Key != t.Key || found.Offset != t.Offset {
		return differs("no record begins at byte %d now", t.Offset)
	}
	before, known := c.count(Cursor(*t.From))
	if !known || before == noRecord {
		return differs("no record begins now where the reading of the row began, so its number is not known")
	}
	if n := c.passed - before; n != t.Index {
		return differs("the record at byte %d is number %d now, it was number %d, from where the reading began", t.Offset, n+1, t.Index+1)
	}
	return nil
}

// rowDiffers says why a row of an object that has changed is not taken.
type rowDiffers struct{ text string }

func differs(format string, args ...any) error { return &rowDiffers{fmt.Sprintf(format, args...)} }

func (e *rowDiffers) Error() string { return "its object has changed: " + e.text }

// Class returns "changed".
func (e *rowDiffers) Class() string { return "changed" }
