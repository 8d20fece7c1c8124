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

	mu   sync.Mutex
	head *chunk[T, R] // the newest; guarded by mu
}

// enqueue passes a filled chunk to the workers. With wait it waits for space, and returns false if
// the run stops: then the chunk stays open, and its items are pending. Without wait it returns
// false if there is no space: then nothing has happened.
func (f *inflight[T, R]) enqueue(c *chunk[T, R], wait bool) bool {
	c.seal(&f.calls, f.keeps)
	n, load := len(c.items), f.load(c)
	f.add(c)
	read := n
	if c.origins != nil { // a redrive reads these items again
		read = 0
	}
	f.tally.read.Add(int64(read))
	t := task[T, R]{chunk: c, attempt: 1}
	if wait {
		return f.gate.Offer(t, load)
	}
	if f.gate.TryOffer(t, load) {
		return true
	}
	f.remove(c)
	f.tally.read.Add(int64(-read))
	return false
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
