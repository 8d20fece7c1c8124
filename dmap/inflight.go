package dmap

import (
	"slices"
	"sync"

	"github.com/go-dmap/dmap/internal/gate"
)

// inflight passes filled chunks to the gate, and knows the open ones: those with an unsettled item.
// The items of chunks that are open at the end of the run are pending.
type inflight[T, R any] struct {
	gate      *gate.Gate[task[T, R]]
	tally     *tally
	calls     calls // shared by the contexts of all calls
	keeps     bool  // somebody reads results
	inBatches bool
	isolation *isolation[T, R] // nil: there are no suspects

	mu   sync.Mutex
	head *chunk[T, R] // the newest; guarded by mu
}

// enqueue passes a filled chunk to the workers. With wait it waits for space, and returns false if
// the run stops: then the chunk stays open, and its items are pending. Without wait it returns
// false if there is no space: then nothing has happened.
func (f *inflight[T, R]) enqueue(c *chunk[T, R], wait bool) bool {
	if f.isolation != nil && c.level == 0 && !f.isolation.open(wait) {
		return false
	}
	c.seal(&f.calls, f.keeps)
	n := int64(len(c.items))
	if c.origins != nil { // a redrive reads these items again
		n = 0
	}
	f.add(c)
	f.tally.read.Add(n)
	if c.level > 0 && f.isolation.hold(c, wait) || c.level == 0 && f.pass(c, wait) {
		return true
	}
	if !wait {
		f.remove(c)
		f.tally.read.Add(-n)
		if c.level == 0 {
			f.closed(c)
		}
	}
	return false
}

// pass offers an open chunk to the gate.
func (f *inflight[T, R]) pass(c *chunk[T, R], wait bool) bool {
	t, load := task[T, R]{chunk: c, attempt: 1}, f.load(c)
	if wait {
		return f.gate.Offer(t, load)
	}
	return f.gate.TryOffer(t, load)
}

// closed says that a chunk is not open any more.
func (f *inflight[T, R]) closed(c *chunk[T, R]) {
	if f.isolation != nil {
		f.isolation.closed(c)
	}
}

// load is what c adds to the queues of the gate.
func (f *inflight[T, R]) load(c *chunk[T, R]) gate.Load {
	n := len(c.items)
	if f.inBatches {
		return gate.Load{Units: 1, Items: n, Bytes: c.bytes}
	}
	return gate.Load{Units: n, Items: n, Bytes: c.bytes}
}

// move moves some unsettled items of c, in source order, to an open chunk of their own.
func (f *inflight[T, R]) move(c *chunk[T, R], items []int) *chunk[T, R] {
	m := c.move(items)
	if m.level = c.level; f.isolation != nil {
		f.isolation.moved(m)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	m.prev, m.next = c.prev, c // open returns chunks in source order
	if c.prev != nil {
		c.prev.next = m
	} else {
		f.head = m
	}
	c.prev = m
	return m
}

func (f *inflight[T, R]) add(c *chunk[T, R]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.next = f.head
	if f.head != nil {
		f.head.prev = c
	}
	f.head = c
}

func (f *inflight[T, R]) remove(c *chunk[T, R]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		f.head = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.prev, c.next = nil, nil
}

// open returns the open chunks, oldest first.
func (f *inflight[T, R]) open() []*chunk[T, R] {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []*chunk[T, R]
	for c := f.head; c != nil; c = c.next {
		out = append(out, c)
	}
	slices.Reverse(out)
	return out
}
