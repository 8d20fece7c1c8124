package dmap

import "sync"

// barrier lets many deliveries run concurrently, or one commit barrier. A barrier that waits holds
// back new deliveries. It is not a sync.RWMutex: goroutines blocked on one keep the clock of
// testing/synctest from advancing, and a delivery may wait for a store.
type barrier struct {
	mu         sync.Mutex // guards the fields below
	changed    *sync.Cond // of mu; nil until somebody waits
	deliveries int
	closed     bool // a barrier runs, or waits for deliveries to end
}

// enter begins a delivery.
func (b *barrier) enter() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.closed {
		b.wait()
	}
	b.deliveries++
}

// leave ends a delivery.
func (b *barrier) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.deliveries--; b.deliveries == 0 {
		b.wake()
	}
}

// between calls f while no delivery runs.
func (b *barrier) between(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.closed {
		b.wait()
	}
	b.closed = true
	for b.deliveries > 0 {
		b.wait()
	}
	defer func() {
		b.closed = false
		b.wake()
	}()
	f()
}

func (b *barrier) wait() {
	if b.changed == nil {
		b.changed = sync.NewCond(&b.mu)
	}
	b.changed.Wait()
}

func (b *barrier) wake() {
	if b.changed != nil {
		b.changed.Broadcast()
	}
}
