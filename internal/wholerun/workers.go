package wholerun

import (
	"cmp"
	"slices"
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// mostLost is how many workers that have lost leases are remembered.
const mostLost = 100

// workers are those that have lost leases, by their names.
type workers struct {
	lost map[string]dmap.RunWorker
}

// lose registers that a worker has not returned n leases.
func (w *workers) lose(name string, n int, seen time.Time) {
	if w.lost == nil {
		w.lost = map[string]dmap.RunWorker{}
	}
	one := w.lost[name]
	one.Name, one.Lost = name, one.Lost+n
	if seen.After(one.Seen) {
		one.Seen = seen
	}
	w.lost[name] = one
	if len(w.lost) <= mostLost {
		return
	}
	oldest := name
	for k, other := range w.lost {
		if other.Seen.Before(w.lost[oldest].Seen) {
			oldest = k
		}
	}
	delete(w.lost, oldest)
}

// Workers are those that have leases, or that have lost some, by their names.
func (v *View) Workers() []dmap.RunWorker {
	all := map[string]dmap.RunWorker{}
	for name, w := range v.workers.lost {
		all[name] = w
	}
	for i := range v.summary.Open {
		o := &v.summary.Open[i]
		k := v.beats[o.Lease]
		if k == nil || !k.current(o) {
			continue
		}
		w := all[k.Worker]
		w.Name = k.Worker
		w.Leases++
		w.InFlight += k.Stats.InFlight
		if k.Seen.After(w.Seen) {
			w.Seen = k.Seen
		}
		all[k.Worker] = w
	}
	out := make([]dmap.RunWorker, 0, len(all))
	for _, w := range all {
		out = append(out, w)
	}
	slices.SortFunc(out, func(a, b dmap.RunWorker) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
