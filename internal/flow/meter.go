package flow

import (
	"math"
	"time"
)

// meter measures the rate of events in windows of some time and of some events.
type meter struct {
	from time.Time // start of the window
	n    int       // events in it
	last float64   // the highest rate of recent windows; 0: there was none
}

const (
	windowTime   = 500 * time.Millisecond
	windowEvents = 20
	// forget is the share of the highest rate that remains after a window. A process that stands
	// still for a moment, on a busy machine, must not take a low rate for that of the server.
	forget = 0.8
)

// restart starts a window, and forgets the current one.
func (m *meter) restart(from time.Time) { m.from, m.n = from, 0 }

// add counts n events.
func (m *meter) add(now time.Time, n int) {
	if m.from.IsZero() {
		m.from = now
	}
	if r, ok := m.current(now); ok {
		*m = meter{from: now, last: max(r, forget*m.last)}
	}
	m.n += n
}

// current is the rate of a window that is complete.
func (m *meter) current(now time.Time) (rate float64, ok bool) {
	span := now.Sub(m.from)
	if span < windowTime || m.n < windowEvents {
		return 0, false
	}
	return float64(m.n) / span.Seconds(), true
}

// rate is the recent rate, +Inf if no window is complete.
func (m *meter) rate(now time.Time) float64 {
	if m.from.IsZero() {
		return math.Inf(1)
	}
	rate, _ := m.current(now)
	if rate = max(rate, m.last); rate == 0 {
		return math.Inf(1)
	}
	return rate
}
