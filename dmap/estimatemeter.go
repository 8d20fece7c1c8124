package dmap

import (
	"sync"
	"time"
)

// callMeter measures the calls of a sample.
type callMeter struct {
	mu    sync.Mutex // guards the field below
	calls []*meteredCall
}

// meteredCall is one call. One that was abandoned has no end.
type meteredCall struct {
	item  string // its ID; empty: a batch
	began time.Time
	took  time.Duration // negative: it has not returned
}

func newCallMeter() *callMeter { return &callMeter{} }

// begin registers a call that begins; the function that it returns registers its end.
func (m *callMeter) begin(item string) (end func()) {
	c := &meteredCall{item: item, began: time.Now(), took: -1}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, c)
	return func() {
		took := time.Since(c.began)
		m.mu.Lock()
		defer m.mu.Unlock()
		c.took = took
	}
}

// seconds is the time that a call took, or has taken so far if it was abandoned.
func (c *meteredCall) seconds() float64 {
	if c.took < 0 {
		return time.Since(c.began).Seconds()
	}
	return c.took.Seconds()
}

// itemCalls has a unit for each item with one of the ids, all its attempts together.
func (m *callMeter) itemCalls(ids []string) measuredCalls {
	out := measuredCalls{seconds: make([]float64, len(ids)), calls: make([]float64, len(ids)), perItem: 1}
	at := make(map[string]int, len(ids))
	for i, id := range ids {
		at[id] = i
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.calls {
		out.seconds[at[c.item]] += c.seconds()
		out.calls[at[c.item]]++
	}
	return out
}

// batchCalls has a unit for each call for a number of sampled items, also of a retry.
func (m *callMeter) batchCalls(sampled int) (out measuredCalls) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.calls {
		out.seconds, out.calls = append(out.seconds, c.seconds()), append(out.calls, 1)
	}
	if out.perItem = 1; sampled > 0 {
		out.perItem = float64(len(m.calls)) / float64(sampled)
	}
	return out
}
