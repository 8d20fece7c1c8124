package dmap

import (
	"cmp"
	"slices"
	"time"
)

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
		out = append(out, InFlightCall{Info: c.ctx.info(), Items: max(1, c.ctx.task.items), Age: max(0, now-c.since)})
	}
	return out
}
