package wholerun

import (
	"cmp"
	"slices"

	"github.com/go-dmap/dmap/dmap"
)

// Workers are those that have leases, or that have lost some, by their names.
func (v *View) Workers() []dmap.RunWorker {
	all := map[string]dmap.RunWorker{}
	for name, w := range v.lost.byName {
		all[name] = w
	}
	for k := range v.running() {
		w := all[k.Worker]
		w.Name = k.Worker
		w.Leases++
		w.InFlight += k.Stats.InFlight
		w.Every = max(w.Every, k.Every)
		if k.came.After(w.Seen) {
			w.Seen = k.came
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
