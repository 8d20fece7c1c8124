package watch

import "github.com/go-dmap/dmap/dmap"

// retryLimit is how many items that were called before are remembered with their last error.
const retryLimit = 512

// retries remembers the last error of items that are called again. Its texts are made on request.
type retries struct {
	last map[string]error
	ring [retryLimit]string
	next int
}

func (r *retries) add(id string, err error) {
	if r.last == nil {
		r.last = make(map[string]error, retryLimit)
	}
	if _, ok := r.last[id]; !ok {
		delete(r.last, r.ring[r.next])
		r.ring[r.next] = id
		r.next = (r.next + 1) % retryLimit
	}
	r.last[id] = err
}

func (c *Collector) retried(e dmap.RetryEvent) {
	if c == nil {
		return
	}
	id := e.ID()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retries.add(id, e.Err)
}
