package dmap

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/go-dmap/dmap/internal/journal"
)

// finder finds the items of a redrive in the source: by Plan.Find, or by a reading of their split
// that it continues from one item to the next.
type finder[T any] struct {
	plan   *Plan[T]
	mended *journal.Mended
	as     journal.MendedItems // of the last object that was mended

	changed *changedObjects // nil: rows of objects that have changed are not taken
	rows    changedRows[T]

	split, version string // of the reading
	in             pulled[T]
}

// find returns item i of a group as the source has it now, and where it is read again then. An item
// that is gone, has changed or cannot be read has the reason as its Err. An error is one of the
// source.
func (f *finder[T]) find(ctx context.Context, g *againGroup, i int) (Item[T], origin, error) {
	t := &g.items[i]
	id, at := itemID(t.Key, t.Offset), originOf(t)
	item, err := f.ask(ctx, t)
	if matches(err, errors.ErrUnsupported) {
		item, at, err = f.readNow(ctx, g, i)
	}
	switch {
	case err == errNotFound:
		item.Err = &goneError{id: id}
	case err != nil:
		if item.Err = againError(id, err); item.Err == nil {
			return item, at, err
		}
	case item.Err != nil:
		if failed := againError(id, item.Err); failed != nil {
			item.Err = failed
		}
	case item.Key != t.Key || item.Offset != t.Offset:
		item.Err = &changedError{id, fmt.Errorf("the source has item %q in its place", item.ID())}
	}
	return item, at, nil
}

// ask asks the source for an item, if it can be asked.
func (f *finder[T]) ask(ctx context.Context, t *journal.TakenItem) (item Item[T], err error) {
	if f.plan.Find == nil {
		return item, errors.ErrUnsupported
	}
	return f.plan.Find(ctx, Split{ID: t.Split, Version: t.Version, From: Cursor(t.Start), To: Cursor(t.Next)})
}

// readNow reads up to item i of a group. If its object has changed, the row may be in it still.
func (f *finder[T]) readNow(ctx context.Context, g *againGroup, i int) (item Item[T], at origin, err error) {
	t := &g.items[i]
	at = originOf(t)
	known := f.changed.has(t.Split, t.Version) || f.rows.reads(t)
	if !known {
		f.rows.in.close()
		item, err = f.readMended(ctx, g, i)
		if f.changed == nil || Class(reasonOf(item, err)) != "changed" {
			return item, at, err
		}
	}
	f.in.close() // two readings of compressed objects might wait for each other's memory
	row, now, reason := f.rows.find(ctx, t)
	if !known && matches(reason, errors.ErrUnsupported) {
		return item, at, err
	}
	if reason == nil || Class(reason) == "changed" {
		f.changed.add(t.Split, t.Version)
	}
	return row, now, reason
}

// reasonOf is the reason why an item could not be read, nil if it could.
func reasonOf[T any](item Item[T], err error) error {
	switch {
	case err == errNotFound:
		return nil
	case err != nil:
		return err
	}
	return item.Err
}

// readMended reads up to item i of a group. If its object was mended after it had broken off, the
// object is read as it is now.
func (f *finder[T]) readMended(ctx context.Context, g *againGroup, i int) (Item[T], error) {
	item, err := f.read(ctx, g, i)
	if Class(reasonOf(item, err)) != "changed" {
		return item, err
	}
	t := &g.items[i]
	as, unknown := f.mended.ItemsOf(ctx, t)
	switch {
	case unknown != nil:
		return Item[T]{}, unknown
	case as.Version == "" || as.Version == f.versionOf(t):
		return item, err
	}
	f.as = as
	f.in.close()
	return f.read(ctx, g, i)
}

// versionOf is the version at which an item is read.
func (f *finder[T]) versionOf(t *journal.TakenItem) string {
	if f.as.Has(t) {
		return f.as.Version
	}
	return t.Version
}

// read reads up to item i of a group.
func (f *finder[T]) read(ctx context.Context, g *againGroup, i int) (Item[T], error) {
	t := &g.items[i]
	f.open(ctx, g, i)
	for {
		item, err := f.in.peek()
		if err != nil {
			return Item[T]{}, err
		}
		switch c := item.Next.compare(Cursor(t.Next)); {
		case c > 0 && item.Err != nil && !skips(item.Err): // it stands for all that cannot be read
			return Item[T]{Err: item.Err}, nil
		case c > 0:
			return Item[T]{}, errNotFound
		default:
			f.in.pass()
			if c == 0 {
				return *item, nil
			}
			if ctx.Err() != nil { // a source in memory may not know ctx
				return Item[T]{}, context.Cause(ctx)
			}
		}
	}
}

// open starts a reading that reaches item i, unless the present one does.
func (f *finder[T]) open(ctx context.Context, g *againGroup, i int) {
	t := &g.items[i]
	seeks, version := f.plan.seeks(t.Split, t.Version), f.versionOf(t)
	start := Cursor(t.Start)
	if f.in.isOpen() && f.split == t.Split && f.version == version && start.compare(f.in.at) >= 0 &&
		!(seeks && (f.in.ended || far(f.in.at, start))) {
		return
	}
	last := nearby(g.items, i, seeks)
	s := Split{ID: t.Split, Version: version, From: start, To: Cursor(g.items[last].Next)}
	if g.more != nil && last == len(g.items)-1 { // the next list continues the split
		s.To.Offset = math.MaxInt64
	}
	f.split, f.version = t.Split, version
	f.in.open(f.plan.Read(ctx, s), start)
}

// close ends the readings.
func (f *finder[T]) close() {
	f.in.close()
	f.rows.in.close()
}

// nearby returns the position of the last of the items from i on that a reading from item i reaches
// without a long gap.
func nearby(items []journal.TakenItem, i int, seeks bool) int {
	for ; i+1 < len(items); i++ {
		last, next := &items[i], &items[i+1]
		if next.Split != last.Split || next.Version != last.Version || seeks && far(Cursor(last.Next), Cursor(next.Start)) {
			break
		}
	}
	return i
}

// seeks reports whether a split can be read from the middle.
func (p *Plan[T]) seeks(split, version string) bool {
	return p.Seeks != nil && p.Seeks(Split{ID: split, Version: version})
}

// againGroup is a few taken items that follow each other in a list.
type againGroup struct {
	split Split // of the list, from the first item to the last
	items []journal.TakenItem
	// more continues the reading of the last item's split with the next list, by the same reader;
	// nil: nothing follows. A source that cannot seek is so read once.
	more chan *againGroup
}
