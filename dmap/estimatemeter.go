package dmap

import (
	"sync"
	"time"
)

// callMeter measures the calls of a sample by units of work: an item or a batch, with its retries.
type callMeter struct {
	longest time.Duration // of a call until it is abandoned; 0: never

	mu    sync.Mutex     // guards the fields below
	units []float64      // the number of items of each
	unit  map[string]int // by the IDs of its items
	calls []*meteredCall
}

// meteredCall is one call. One that was abandoned may have no end.
type meteredCall struct {
	unit  int
	began time.Time
	took  time.Duration // negative: it has not returned
}

func newCallMeter(opts Options) *callMeter {
	m := &callMeter{unit: map[string]int{}}
	if opts.Timeout > 0 && opts.AbandonAfter > 0 {
		late := newWatchdog(opts, runClock{}, nil).interval() / 2 // on average
		m.longest = opts.Timeout + opts.AbandonAfter + late
	}
	return m
}

// begin registers a call that begins for the items with these IDs; the function that it returns
// registers its end. A retry belongs to the unit of its items.
func (m *callMeter) begin(items ...string) (end func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &meteredCall{unit: m.unitOf(items), began: time.Now(), took: -1}
	m.calls = append(m.calls, c)
	return func() {
		took := time.Since(c.began)
		m.mu.Lock()
		defer m.mu.Unlock()
		c.took = took
	}
}

// unitOf returns the unit of items, which are new or all of one unit. The caller holds m.mu.
func (m *callMeter) unitOf(items []string) int {
	if u, ok := m.unit[items[0]]; ok {
		return u
	}
	for _, id := range items {
		m.unit[id] = len(m.units)
	}
	m.units = append(m.units, float64(len(items)))
	return len(m.units) - 1
}

// held is the time for which a call held its slot.
func (m *callMeter) held(c *meteredCall) time.Duration {
	took := c.took
	if took < 0 {
		took = time.Since(c.began)
	}
	if m.longest > 0 {
		took = min(took, m.longest)
	}
	return took
}

// measuredCalls are the units of work of a sample.
type measuredCalls struct {
	seconds []float64 // of each unit in Map, of each call in MapBatch
	calls   []float64 // of each unit
	sizes   []float64 // items of the units, without the last batch, which may have fewer
	sampled float64   // items
	share   float64   // of the sampled items that belong to units

	inBatches bool
}

// measured returns what the calls for the sampled items took. In Map each item is a unit, also one
// that was never called.
func (m *callMeter) measured(items []string, inBatches bool) measuredCalls {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := -1
	for _, id := range items {
		if u, ok := m.unit[id]; ok {
			last = u
		} else if !inBatches {
			m.unitOf([]string{id})
		}
	}
	out := measuredCalls{seconds: m.seconds(inBatches), calls: make([]float64, len(m.units)), sizes: m.units, inBatches: inBatches}
	for _, c := range m.calls {
		out.calls[c.unit]++
	}
	out.sampled = float64(len(items))
	out.share = float64(len(m.unit)) / out.sampled
	if inBatches && len(m.units) > 1 {
		out.sizes = append(m.units[:last:last], m.units[last+1:]...)
	}
	return out
}

// seconds are the times of the calls, or of the units. The caller holds m.mu.
func (m *callMeter) seconds(ofCalls bool) (out []float64) {
	if ofCalls {
		for _, c := range m.calls {
			out = append(out, m.held(c).Seconds())
		}
		return out
	}
	out = make([]float64, len(m.units))
	for _, c := range m.calls {
		out[c.unit] += m.held(c).Seconds()
	}
	return out
}
