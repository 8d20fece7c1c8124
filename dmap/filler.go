package dmap

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-dmap/dmap/batch"
)

// filler reads one split of a source with Fill: it fills chunks in place, and enqueues them when
// they are full.
type filler[T, R any] struct {
	r     *reader[T, R]
	split *Split
	from  Cursor // the end of the last chunk
	at    Cursor // after the last item, skipped or not
	index int64  // of the next item
	skips int64  // items skipped since the last item that was not
	ended bool   // there are no more items
}

// fillPiece is readItems for a source with Fill.
func (r *reader[T, R]) fillPiece(ctx context.Context, p *piece) error {
	s := p.split
	f := &filler[T, R]{r: r, split: &s, from: s.From, at: s.From}
	reading := newLap(r.clock, &r.meter.read)
	defer reading.stop()
	enqueue := r.enqueue(&reading)
	rest, complete := s, false
	var end error  // of the source
	defer func() { // also after a panic of the source, which leaves the items of the current chunk unread
		if !complete {
			r.leaveRest(rest, end)
		}
	}()
	for !f.ended {
		c, fault := f.next(ctx)
		rest.From = f.at
		n := len(c.items) // c may be reused as soon as it is enqueued
		if n > 0 && !enqueue(c, true) || r.stopper.noMore.Load() {
			return errStopped
		}
		if fault != nil {
			end = fault
			_, err := r.endOf(s, fault)
			return err
		}
		if err := r.count(n); err != nil {
			return err
		}
	}
	complete = true
	r.delivery.settleTail(&chunk[T, R]{split: &s, from: f.from, to: s.To, skips: f.skips})
	return nil
}

// next fills a chunk. It is empty if no item is left; an error comes with the items before it.
func (f *filler[T, R]) next(ctx context.Context) (*chunk[T, R], error) {
	limits := f.limits()
	c := f.r.recycler.chunk(f.split, min(limits.Items, firstItems))
	c.from = f.from
	var err error
	for full := false; !full && !f.ended && err == nil && !f.r.stopper.noMore.Load(); {
		full, err = f.fill(ctx, c, limits)
	}
	if n := len(c.items); n > 0 {
		f.from = c.items[n-1].Next
	}
	c.to = f.from
	return c, err
}

// limits returns the limits of the next chunk, which always bound its items.
func (f *filler[T, R]) limits() batch.Limits {
	limits := f.r.pace.chunkLimits()
	if limits.Items == 0 {
		limits.Items = batch.MaxItems
	}
	if most := f.r.maxItems; most > 0 {
		limits.Items = int(min(int64(limits.Items), most-f.r.taken))
	}
	return limits
}

// fill adds up to firstItems items to c and reports whether c is full. Items that do not fit are
// filled in again later.
func (f *filler[T, R]) fill(ctx context.Context, c *chunk[T, R], limits batch.Limits) (full bool, err error) {
	have, some := len(c.items), min(limits.Items-len(c.items), firstItems)
	c.items = slices.Grow(c.items, some)
	space := c.items[have : have+some]
	s := *f.split
	s.From = f.at
	n, err := f.r.plan.Fill(ctx, s, space)
	if err == nil && (n < 0 || n > some) {
		err = fmt.Errorf("split %q: Fill returned %d items for a space of %d", s.ID, n, some)
	}
	if err != nil {
		return true, err
	}
	full, err = f.keep(c, c.items[:have+n], limits)
	clear(c.items[len(c.items) : have+some]) // skipped items, and those that do not fit
	f.ended = !full && err == nil && (n < some || f.at == f.split.To)
	return full || err != nil || limits.Full(len(c.items), c.bytes), err
}

// level gives a chunk without items the level of its first one. It returns limits into which an
// item of another level does not fit.
func (f *filler[T, R]) level(c *chunk[T, R], kept int, from, to Cursor, limits batch.Limits) batch.Limits {
	level := f.r.level(f.split, from, to)
	if kept == 0 {
		c.level = level
	}
	limits = f.r.capped(c.level, limits)
	if level != c.level {
		limits.Items = kept
	}
	return limits
}

// keep makes the items that are not skipped the items of c, up to the first that does not fit: then
// full is true. items starts with those that c has. The loop runs for every item of a run, so local
// variables hold its place.
func (f *filler[T, R]) keep(c *chunk[T, R], items []Item[T], limits batch.Limits) (full bool, err error) {
	kept, at, suspects := len(c.items), &f.at, f.r.durable.quarantine != nil
	for i := kept; i < len(items); i++ {
		item := &items[i]
		if err = checkCursor(f.split, *at, item); err != nil {
			break
		}
		if skips(item.Err) {
			f.r.tally.skip()
			f.skips++
		} else if item.Err != nil && f.r.cutOff(item.Err) {
			err = errStopped
			break
		} else {
			most := limits
			if suspects {
				most = f.level(c, kept, *at, item.Next, limits)
			}
			if full = !most.Fits(kept, c.bytes, item.Size); full {
				break
			}
			if kept < i { // items before this one were skipped
				items[kept] = *item
			}
			items[kept].Index = f.index
			c.bytes += item.Size
			kept++
			if f.skips > 0 || c.before != nil {
				c.items = items[:kept]
				c.skippedBefore(f.skips)
				f.skips = 0
			}
		}
		f.index++
		at = &item.Next
	}
	f.at = *at
	c.items = items[:kept]
	return full, err
}
