package dmap

import "sync"

// line keeps cuts and deliveries apart: many deliveries at once, or one cut. A cut that waits holds back new deliveries. It
// is no RWMutex, as who waits for that stops the time of testing/synctest, and a delivery may wait for a store.
type line struct {
	mu         sync.Mutex // guards what follows
	changed    *sync.Cond // of mu; nil until somebody waits
	deliveries int
	cutting    bool
}

// enter begins a delivery.
func (l *line) enter() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.cutting {
		l.wait()
	}
	l.deliveries++
}

// leave ends a delivery.
func (l *line) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.deliveries--; l.deliveries == 0 {
		l.wake()
	}
}

// cut calls f between deliveries.
func (l *line) cut(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.cutting {
		l.wait()
	}
	l.cutting = true
	for l.deliveries > 0 {
		l.wait()
	}
	defer func() {
		l.cutting = false
		l.wake()
	}()
	f()
}

func (l *line) wait() {
	if l.changed == nil {
		l.changed = sync.NewCond(&l.mu)
	}
	l.changed.Wait()
}

func (l *line) wake() {
	if l.changed != nil {
		l.changed.Broadcast()
	}
}
