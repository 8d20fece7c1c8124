package dmaptemporal

import (
	"sync"
	"time"
)

// attention decides how often a run is read: each second while somebody looks at it, and seldom
// otherwise. Each reading costs the server a description and, if the run has moved, a query.
type attention struct {
	observed bool          // an observer looks, until the run ends
	came     chan struct{} // has a token after somebody has looked who had not for some time

	mu     sync.Mutex
	looked time.Time // the latest time; zero: nobody has looked
}

const (
	readEvery = time.Second
	restEvery = 10 * time.Second // between readings that nobody looks at
	looksFor  = 10 * time.Second // after a look others are likely
)

func newAttention(observed bool) *attention {
	return &attention{observed: observed, came: make(chan struct{}, 1)}
}

// look registers that somebody reads the figures of the run.
func (a *attention) look() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.awake() {
		signal(a.came)
	}
	a.looked = time.Now()
}

// every is the time until the next reading.
func (a *attention) every() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.awake() {
		return readEvery
	}
	return restEvery
}

func (a *attention) awake() bool { return a.observed || time.Since(a.looked) < looksFor }
