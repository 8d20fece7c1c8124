package wholerun

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/lease"
)

// Times are those of all workers. The sums are those that attempts have reported, and those of the
// newest beats of the others; quantiles are of the calls that beats have.
func (v *View) Times() dmap.Times {
	s := v.spent()
	t := dmap.Times{Plan: time.Duration(s.Plan), Read: time.Duration(s.Read), Sinks: time.Duration(s.Sinks), Calls: v.calls}
	for k := range v.running() {
		t.Calls = t.Calls.Plus(k.Times.Calls)
	}
	t.Calls.Count, t.Calls.Sum = s.Calls, time.Duration(s.Called)
	return t
}

// Written is the number of bytes of results that the workers have stored, as the sums of Times.
func (v *View) Written() int64 { return v.spent().Written }

func (v *View) spent() lease.Effort {
	all := v.summary.Spent.Plus(v.gone)
	for k := range v.running() {
		all = all.Plus(k.spent()).Plus(k.before)
	}
	return all
}

// running yields the newest beats of the attempts that run, as far as is known.
func (v *View) running() iter.Seq[*known] {
	return func(yield func(*known) bool) {
		for i := range v.summary.Open {
			o := &v.summary.Open[i]
			if k := v.beats[o.Lease]; k != nil && !k.over && k.current(o) && !yield(k) {
				return
			}
		}
	}
}

// InFlight are the n oldest calls, of some that each lease names, with their ages at the beats.
// Short ones have returned since.
func (v *View) InFlight(runID string, n int) []dmap.InFlightCall {
	var out []dmap.InFlightCall
	for k := range v.running() {
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
