package dmap

import (
	"cmp"
	"slices"
	"time"
)

// InFlightCall is a call that runs.
type InFlightCall struct {
	Info // of its item; of the first item of a batch
	// Age is the time since the call began. Short calls are timed in groups: after some of them it
	// may be too long by the times of those.
	Age time.Duration
}

// oldest returns the n calls that run for the longest time.
func (d *watchdog) oldest(n int) []InFlightCall {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.clock.now()
	type call struct {
		ctx   *callContext
		since time.Duration
	}
	var all []call
	for w := range d.workers {
		ctx := w.current.Load()
		if ctx != nil && ctx != &w.gone && w.inCall.Load() {
			all = append(all, call{ctx, time.Duration(max(w.since.Load(), w.began.Load()))})
		}
	}
	slices.SortFunc(all, func(a, b call) int { return cmp.Compare(a.since, b.since) })
	out := make([]InFlightCall, 0, min(len(all), max(0, n)))
	for _, c := range all[:cap(out)] {
		out = append(out, InFlightCall{Info: c.ctx.info(), Age: max(0, now-c.since)})
	}
	return out
}
