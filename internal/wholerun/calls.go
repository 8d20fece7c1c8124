package wholerun

import (
	"cmp"
	"slices"

	"github.com/go-dmap/dmap/dmap"
)

// Times are those of all workers, as far as this process has seen them.
func (v *View) Times() dmap.Times { return v.spent().times }

// Written is the number of bytes of results that the workers have stored, as Times.
func (v *View) Written() int64 { return v.spent().written }

func (v *View) spent() spent {
	all := v.ended
	for _, k := range v.beats {
		all.add(&k.Beat.Beat)
	}
	return all
}

// InFlight are the n oldest calls, of some that each lease names, with their ages at the beats.
// Short ones have returned since.
func (v *View) InFlight(runID string, n int) []dmap.InFlightCall {
	var out []dmap.InFlightCall
	for i := range v.summary.Open {
		o := &v.summary.Open[i]
		k := v.beats[o.Lease]
		if k == nil || !k.current(o) {
			continue
		}
		for _, c := range k.Oldest {
			call := dmap.InFlightCall{Items: c.Items, Age: c.Age}
			call.Info = dmap.Info{RunID: runID, Split: c.Split, Key: c.Key, Offset: c.Offset, Index: c.Index, Attempt: c.Attempt}
			out = append(out, call)
		}
	}
	slices.SortFunc(out, func(a, b dmap.InFlightCall) int {
		return cmp.Or(cmp.Compare(b.Age, a.Age), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Offset, b.Offset))
	})
	return out[:min(len(out), max(0, n))]
}
