package dmap

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/internal/fingerprint"
)

// batcher gathers the items of one split into chunks and enqueues them. The reader of the split
// adds items; a timer enqueues a chunk that has waited too long for more items, because the source
// may yield nothing for hours.
type batcher[T, R any] struct {
	split   *Split
	prefix  *fingerprint.Prefix // that the source updates before it yields an item; nil: the run is not durable
	limits  func() batch.Limits // of the next chunk
	fresh   func(split *Split, items int) *chunk[T, R]
	enqueue func(c *chunk[T, R], wait bool) bool         // false: no space now or, with wait, the run stops
	level   func(split *Split, from, to Cursor) int      // of an item; nil: 0 for all
	capped  func(level int, l batch.Limits) batch.Limits // limits for a level; nil: the same
	over    *atomic.Bool                                 // nothing more may be read; nil: more may be
	place   *placing                                     // of the items; nil: no redrive needs it
	saw     sights                                       // only the reader of the split uses it

	mu    sync.Mutex // guards the fields below; not held while an enqueue waits
	cur   *chunk[T, R]
	from  Cursor       // where cur starts: the end of the chunk before it
	at    Cursor       // after the last item, skipped or not
	end   prefixEnd    // at the same position
	skips int64        // items skipped since the last item that was not
	close batch.Limits // of cur
	due   time.Time    // when cur has waited long enough
	timer *time.Timer
	armed sync.WaitGroup // holds one while the timer may call expire
}

// firstItems bounds what a chunk allocates before it has items.
const firstItems = 512

// add takes one item. It returns false when the run stops.
func (b *batcher[T, R]) add(item *Item[T]) bool { return b.addAgain(item, nil) }

// addAgain is add for an item that a redrive reads again; nil: it does not.
func (b *batcher[T, R]) addAgain(item *Item[T], from *origin) bool {
	b.mu.Lock()
	var full, before *chunk[T, R]
	level := 0
	if b.level != nil {
		level = b.level(b.split, b.at, item.Next)
	}
	if b.cur != nil && (level != b.cur.level || !b.close.Fits(len(b.cur.items), b.cur.bytes, item.Size)) {
		before = b.take()
	}
	if b.cur == nil {
		b.close = b.limits()
		if b.capped != nil {
			b.close = b.capped(level, b.close)
		}
		b.cur = b.fresh(b.split, min(b.close.Items, firstItems))
		b.cur.level = level
		if b.place != nil {
			b.cur.placed, b.cur.header = true, b.place.header
		}
	}
	b.cur.items = append(b.cur.items, *item)
	if from != nil {
		b.cur.origins = append(b.cur.origins, *from)
	}
	b.cur.bytes += item.Size
	b.at = item.Next
	if b.prefix != nil {
		b.end = endOf(b.prefix)
	}
	b.cur.skippedBefore(b.skips)
	b.skips = 0
	if b.close.Full(len(b.cur.items), b.cur.bytes) {
		full = b.take()
	} else if len(b.cur.items) == 1 {
		b.arm()
	}
	b.mu.Unlock()
	if before == nil && full == nil {
		return true
	}
	return b.enqueueBoth(before, full)
}

// enqueueBoth enqueues two chunks, of which one may be nil; also the second if the run refuses the
// first, because its items are read. It returns false when nothing more may be read.
func (b *batcher[T, R]) enqueueBoth(before, full *chunk[T, R]) bool {
	ok := before == nil || b.enqueue(before, true)
	if full != nil && !b.enqueue(full, true) {
		return false
	}
	return ok && (b.over == nil || !b.over.Load())
}

// skip registers an item that the source skipped: the next item settles it too.
func (b *batcher[T, R]) skip(item *Item[T]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.skips++
	b.at = item.Next
	if b.prefix != nil {
		b.end = endOf(b.prefix)
	}
}

// gap ends the current chunk and continues after the cursor to. It returns the tail before the gap,
// nil if there is none. ok is false when the run stops.
func (b *batcher[T, R]) gap(to Cursor) (tail *chunk[T, R], ok bool) {
	if !b.flush() {
		return nil, false
	}
	if b.skips > 0 {
		tail = b.tail(b.at)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.from, b.at, b.skips = to, to, 0
	return tail, true
}

// flush enqueues the last chunk and stops the timer. It returns false when the run stops.
func (b *batcher[T, R]) flush() bool {
	b.mu.Lock()
	c := b.take()
	b.mu.Unlock()
	ok := c == nil || b.enqueue(c, true)
	b.armed.Wait()
	return ok
}

// tail returns a chunk without items, from the last item to the end of the split.
func (b *batcher[T, R]) tail(end Cursor) *chunk[T, R] {
	b.mu.Lock()
	defer b.mu.Unlock()
	return &chunk[T, R]{split: b.split, from: b.from, to: end, end: b.tailEnd(), skips: b.skips}
}

// tailEnd is the end of a split that has been read to its end, also of an empty one.
func (b *batcher[T, R]) tailEnd() prefixEnd {
	if b.at == b.split.From {
		return endOf(b.prefix)
	}
	return b.end
}

// take removes the current chunk, if any; mu is held.
func (b *batcher[T, R]) take() *chunk[T, R] {
	c := b.cur
	b.cur = nil
	if c == nil {
		return nil
	}
	if b.timer != nil && b.timer.Stop() {
		b.armed.Done()
	}
	b.setEnds(c)
	return c
}

// setEnds sets from and to of c; mu is held.
func (b *batcher[T, R]) setEnds(c *chunk[T, R]) {
	c.from, c.to, c.end = b.from, c.items[len(c.items)-1].Next, b.end
	b.from = c.to
}

// arm starts the wait of the current chunk; mu is held.
func (b *batcher[T, R]) arm() {
	if b.close.Wait == 0 {
		return
	}
	b.due = time.Now().Add(b.close.Wait)
	b.armed.Add(1)
	if b.timer == nil {
		b.timer = time.AfterFunc(b.close.Wait, b.expire)
		return
	}
	if b.timer.Reset(b.close.Wait) {
		b.armed.Done() // it still ran for a chunk that is gone
	}
}

// expire enqueues the current chunk if it has waited long enough. While the gate has no space it
// waits once more.
func (b *batcher[T, R]) expire() {
	defer b.armed.Done()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cur == nil || time.Now().Before(b.due) {
		return
	}
	before := b.from
	b.setEnds(b.cur)
	if b.enqueue(b.cur, false) {
		b.cur = nil
		return
	}
	b.from = before
	b.arm()
}
