package dmap

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-dmap/dmap/batch"
)

// filling is the reading of one split of a Filler: chunks are filled in place, and handed on when they are full.
type filling[T, R any] struct {
	r      *reading[T, R]
	filler Filler[T]
	split  *Split
	at     Cursor // behind the last item
	index  int64  // of the next item
	ended  bool   // there are no more items
}

// fillSplit is readSplit for a source that fills.
func (r *reading[T, R]) fillSplit(ctx context.Context, filler Filler[T], s Split) error {
	f := &filling[T, R]{r: r, filler: filler, split: &s, at: s.From}
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
		if n > 0 && !r.e.hand(c, true) {
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
	r.e.handRest(&chunk[T, R]{split: &s, from: f.at, to: s.To})
	return nil
}

// next fills a chunk. It is empty where no item is left; an error comes with the items before it.
func (f *filling[T, R]) next(ctx context.Context) (*chunk[T, R], error) {
	limits := f.limits()
	c := f.r.e.recycler.chunk(f.split, min(limits.Items, firstItems))
	c.from = f.at
	var err error
	for full := false; !full && !f.ended && err == nil; {
		full, err = f.fill(ctx, c, limits)
	}
	c.to = f.at
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

// fill adds items to c, some at a time, and says whether it takes no more. Those that do not fit are filled in again later.
func (f *filling[T, R]) fill(ctx context.Context, c *chunk[T, R], limits batch.Limits) (full bool, err error) {
	have, some := len(c.items), min(limits.Items-len(c.items), firstItems)
	c.items = slices.Grow(c.items, some)
	space := c.items[have : have+some]
	s := *f.split
	s.From = f.at
	n, err := f.filler.Fill(ctx, s, space)
	if err == nil && (n < 0 || n > some) {
		err = fmt.Errorf("split %q: %d items put into a space for %d", s.ID, n, some)
	}
	if err != nil {
		return true, err
	}
	for i := range space[:n] {
		item := &space[i]
		if err == nil {
			err = grows(f.split, f.at, item)
		}
		if err != nil || !limits.Fits(have+i, c.bytes, item.Size) {
			clear(space[i:])
			return true, err
		}
		item.Index = f.index
		f.index++
		f.at = item.Next
		c.bytes += item.Size
		c.items = c.items[:have+i+1]
	}
	f.ended = n < some || f.at == s.To
	return limits.Full(len(c.items), c.bytes), nil
}
