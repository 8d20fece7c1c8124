package progress

import (
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// window is the time over which the rate is measured. If two lines are further apart, it is the
// time between them.
const window = 5 * time.Second

// rate measures the items settled per second within the last window. The zero rate has no samples.
type rate struct {
	samples []sample // oldest first; all but the first are within the window
}

type sample struct {
	at      time.Duration
	settled int64
}

// add records the state of the run, and returns the items per second over the window.
func (r *rate) add(s dmap.Stats) float64 {
	now := sample{at: s.Elapsed, settled: settled(s)}
	if len(r.samples) == 0 {
		r.samples = append(r.samples, sample{}) // every run starts with no settled items
	}
	for len(r.samples) > 1 && now.at-r.samples[1].at >= window {
		r.samples = r.samples[1:]
	}
	r.samples = append(r.samples, now)
	first := r.samples[0]
	if now.at <= first.at {
		return 0
	}
	return float64(now.settled-first.settled) / (now.at - first.at).Seconds()
}
