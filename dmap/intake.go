package dmap

import (
	"sync"
	"time"

	"github.com/go-dmap/dmap/batch"
)

// Chunks follow the speed of the function: what one worker does in about chunkTime, so that slow calls get single items
// spread over all places and fast ones share the cost of a hand-over.
const (
	maxChunk      = 64
	maxChunkBytes = 1 << 20
	chunkTime     = time.Millisecond
)

// intake gathers the items of one split into chunks and hands them on. The reader of the split adds; a timer hands on a
// chunk that waits for more items for too long, because the source may yield nothing for hours.
type intake[T, R any] struct {
	split  *Split
	limits func() batch.Limits // of the next chunk
	fresh  func(split *Split, items int) *chunk[T, R]
	hand   func(c *chunk[T, R], wait bool) bool // false: no space now, or if wait is set, the run stops

	mu    sync.Mutex // guards what follows; not held while a hand-over waits
	cur   *chunk[T, R]
	from  Cursor       // where cur begins: behind all that was taken before
	at    Cursor       // behind the last item, skipped or not
	skips int64        // items skipped since the last one that was not
	close batch.Limits // of cur
	due   time.Time    // when cur has waited long enough
	timer *time.Timer
	armed sync.WaitGroup // holds one while the timer may call expire
}

// firstItems bounds what a chunk allocates before it has items.
const firstItems = 512

// add takes one item. It is false when the run stops.
func (in *intake[T, R]) add(item *Item[T]) bool {
	in.mu.Lock()
	var full, before *chunk[T, R]
	if in.cur != nil && !in.close.Fits(len(in.cur.items), in.cur.bytes, item.Size) {
		before = in.take()
	}
	if in.cur == nil {
		in.close = in.limits()
		in.cur = in.fresh(in.split, min(in.close.Items, firstItems))
	}
	in.cur.items = append(in.cur.items, *item)
	in.cur.bytes += item.Size
	in.at = item.Next
	in.passed()
	if in.close.Full(len(in.cur.items), in.cur.bytes) {
		full = in.take()
	} else if len(in.cur.items) == 1 {
		in.arm()
	}
	in.mu.Unlock()
	return (before == nil || in.hand(before, true)) && (full == nil || in.hand(full, true))
}

// skip takes note of an item that the source skipped: it belongs to the next item.
func (in *intake[T, R]) skip(item *Item[T]) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.skips++
	in.at = item.Next
}

// passed gives the items skipped so far to the last item of cur; mu is held.
func (in *intake[T, R]) passed() {
	n := len(in.cur.items)
	if in.skips > 0 && in.cur.before == nil {
		in.cur.before = make([]int64, n, cap(in.cur.items))
	}
	if in.cur.before != nil {
		in.cur.before = append(in.cur.before[:n-1], in.skips)
	}
	in.skips = 0
}

// flush hands on what is left and returns when the timer is at rest. It is false when the run stops.
func (in *intake[T, R]) flush() bool {
	in.mu.Lock()
	c := in.take()
	in.mu.Unlock()
	ok := c == nil || in.hand(c, true)
	in.armed.Wait()
	return ok
}

// rest is a chunk without items, from the last item to the end of the split.
func (in *intake[T, R]) rest(end Cursor) *chunk[T, R] {
	in.mu.Lock()
	defer in.mu.Unlock()
	return &chunk[T, R]{split: in.split, from: in.from, to: end, skips: in.skips}
}

// take removes the current chunk, if any; mu is held.
func (in *intake[T, R]) take() *chunk[T, R] {
	c := in.cur
	in.cur = nil
	if c == nil {
		return nil
	}
	if in.timer != nil && in.timer.Stop() {
		in.armed.Done()
	}
	in.bound(c)
	return c
}

// bound sets the ends of c, which is taken; mu is held.
func (in *intake[T, R]) bound(c *chunk[T, R]) {
	c.from, c.to = in.from, c.items[len(c.items)-1].Next
	in.from = c.to
}

// arm starts the wait of the current chunk; mu is held.
func (in *intake[T, R]) arm() {
	if in.close.Wait == 0 {
		return
	}
	in.due = time.Now().Add(in.close.Wait)
	in.armed.Add(1)
	if in.timer == nil {
		in.timer = time.AfterFunc(in.close.Wait, in.expire)
		return
	}
	if in.timer.Reset(in.close.Wait) {
		in.armed.Done() // it was still running for a chunk that has gone
	}
}

// expire hands on the current chunk if its time has come. With no space at the gate there is no hurry: it waits once more.
func (in *intake[T, R]) expire() {
	defer in.armed.Done()
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.cur == nil || time.Now().Before(in.due) {
		return
	}
	before := in.from
	in.bound(in.cur)
	if in.hand(in.cur, false) {
		in.cur = nil
		return
	}
	in.from = before
	in.arm()
}
