package dmap

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-dmap/dmap/batch"
)

// filling is the reading of one split of a Filler: chunks are filled in place, and handed on when they are full.
type filling[T, R any] struct {
	r     *reading[T, R]
	split *Split
	from  Cursor // after the last item that a chunk has
	at    Cursor // after the last item, skipped or not
	index int64  // of the next item
	skips int64  // items skipped since the last one that was not
	ended bool   // there are no more items
}

// fillSplit is readSplit for a source that fills.
func (r *reading[T, R]) fillSplit(ctx context.Context, s Split) error {
	f := &filling[T, R]{r: r, split: &s, from: s.From, at: s.From}
	left, whole := s, false
	defer func() { // also after a panic, which leaves unread what the chunk at hand has
		if !whole {
			r.leave(left)
		}
	}()
	for !f.ended {
		c, wrong := f.next(ctx)
		left.From = f.at
		n := len(c.items) // c may be used again as soon as it is handed on
		if n > 0 && !r.e.hand(c, true) || r.e.stopping.Load() {
			return errStopped
		}
		if wrong != nil {
			return r.wrong(s, wrong)
		}
		if err := r.count(n); err != nil {
			return err
		}
	}
	whole = true
	r.e.handRest(&chunk[T, R]{split: &s, from: f.from, to: s.To, skips: f.skips})
	return nil
}

// next fills a chunk. It is empty where no item is left; an error comes with the items before it.
func (f *filling[T, R]) next(ctx context.Context) (*chunk[T, R], error) {
	limits := f.limits()
	c := f.r.e.recycler.chunk(f.split, min(limits.Items, firstItems))
	c.from = f.from
	var err error
	for full := false; !full && !f.ended && err == nil && !f.r.e.stopping.Load(); {
		full, err = f.fill(ctx, c, limits)
	}
	if n := len(c.items); n > 0 {
		f.from = c.items[n-1].Next
	}
	c.to = f.from
	return c, err
}

// limits are those of the next chunk, which always has an end by items.
func (f *filling[T, R]) limits() batch.Limits {
	limits := f.r.e.chunkLimits()
	if limits.Items == 0 {
		limits.Items = batch.MaxItems
	}
	if most := f.r.e.opts.MaxItems; most > 0 {
		limits.Items = int(min(int64(limits.Items), most-f.r.taken))
	}
	return limits
}

// fill adds items to c, some at a time, and says whether it takes no more. Items that do not fit are filled in again later.
func (f *filling[T, R]) fill(ctx context.Context, c *chunk[T, R], limits batch.Limits) (full bool, err error) {
	have, some := len(c.items), min(limits.Items-len(c.items), firstItems)
	c.items = slices.Grow(c.items, some)
	space := c.items[have : have+some]
	s := *f.split
	s.From = f.at
	n, err := f.r.src.Fill(ctx, s, space)
	if err == nil && (n < 0 || n > some) {
		err = fmt.Errorf("split %q: Fill returned %d items for a space of %d", s.ID, n, some)
	}
	if err != nil {
		return true, err
	}
	defer func() { clear(space[len(c.items)-have:]) }() // skipped items, and those that do not fit
	for i := range space[:n] {
		item := &space[i]
		if err = grows(f.split, f.at, item); err != nil {
			return true, err
		}
		switch skipped := item.Err != nil && errors.Is(item.Err, ErrSkip); {
		case skipped:
			f.r.e.counts.read.Add(1)
			f.r.e.counts.skipped.Add(1)
			f.skips++
		case !limits.Fits(len(c.items), c.bytes, item.Size):
			return true, nil
		default:
			f.keep(c, item)
		}
		f.index++
		f.at = item.Next
	}
	f.ended = n < some || f.at == s.To
	return limits.Full(len(c.items), c.bytes), nil
}

// keep appends an item that lies at or after the end of the items of c to them.
func (f *filling[T, R]) keep(c *chunk[T, R], item *Item[T]) {
	n := len(c.items)
	c.items = c.items[:n+1]
	if kept := &c.items[n]; kept != item { // items before this one were skipped
		*kept = *item
	}
	c.items[n].Index = f.index
	c.bytes += item.Size
	if f.skips > 0 && c.before == nil {
		c.before = make([]int64, n, cap(c.items))
	}
	if c.before != nil {
		c.before = append(c.before, f.skips)
	}
	f.skips = 0
}
