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
	n, units := len(c.items), len(c.items)
	if f.inBatches {
		units = 1
	}
	f.add(c)
	read := n
	if c.origins != nil { // a redrive reads these items again
		read = 0
	}
	f.tally.read.Add(int64(read))
	t := task[T, R]{chunk: c, hi: n, attempt: 1}
	if wait {
		return f.gate.Offer(t, units, c.bytes)
	}
	if f.gate.TryOffer(t, units, c.bytes) {
		return true
	}
	f.remove(c)
	f.tally.read.Add(int64(-read))
	return false
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
