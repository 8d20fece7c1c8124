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
	layouts map[changedObject]*layouts // of the latest objects

	in     pulled[T]
	split  string       // that is read
	now    string       // the Version that is read
	last   int64        // offset of the last item that was passed
	passed int64        // items
	counts []anchorSeen // the first one is that where the reading begins
}

// anchorSeen is an anchor that a reading has come past.
type anchorSeen struct {
	at     Cursor
	passed int64 // items before it, or noRecord
}

// noRecord says that an anchor lies inside a record.
const noRecord = -1

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

// layout is how the object of t is read. The source is asked once for each anchor, unless it reads
// the object from its start anyway.
func (c *changedRows[T]) layout(ctx context.Context, t *journal.TakenItem) (Layout, error) {
	of, anchor := c.layoutsOf(t), Cursor(*t.From)
	if answer, known := of.get(anchor); known {
		return answer.Layout, answer.err
	}
	if !of.inside {
		c.in.close() // it may hold memory that the source needs to decompress a header
	}
	layout, err := c.plan.Layout(ctx, Split{ID: t.Split, Version: t.Version, From: anchor})
	if err == nil || Class(err) == "changed" {
		of.add(anchor, layoutAnswer{layout, err})
	}
	return layout, err
}

func (c *changedRows[T]) layoutsOf(t *journal.TakenItem) *layouts {
	object := changedObject{t.Split, t.Version}
	of := c.layouts[object]
	if of == nil {
		if c.layouts == nil || len(c.layouts) == maxChanged {
			c.layouts = map[changedObject]*layouts{}
		}
		of = &layouts{answers: map[Cursor]layoutAnswer{}}
		c.layouts[object] = of
	}
	return of
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
	if c.split != t.Split || c.now != layout.Version || len(c.counts) == 0 || c.counts[0].at != layout.From {
		c.split, c.now, c.counts = t.Split, layout.Version, []anchorSeen{{at: layout.From}}
	}
	c.last, c.passed = -1, 0
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

// standsForRest reports whether an item is no record, but the rest of an object that cannot be
// read.
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
