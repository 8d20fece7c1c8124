package dmaptemporal

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/source"
)

// Settings are those of a run that can change while it runs.
type Settings struct {
	// MaxConcurrency is the most calls at once, on all machines together. 0: 1,000.
	MaxConcurrency int
	// PerLease is the most calls at once of a lease, which one worker has: a third of the calls
	// that a worker should make, or less. 0: a thirtieth of MaxConcurrency, at least 8. Leases are
	// up to a fifth smaller if more of MaxConcurrency is used then.
	PerLease  int
	Rate      dmap.Rate      // of the whole run
	Tolerance dmap.Tolerance // of the whole run; may be exceeded by the calls and leases in flight
	Budget    dmap.Budget    // from the call of Start on
	// Redrive continues a run that has ended, as dmap.Options.Redrive does. Its Match is that of
	// the job's options. Without Max and Limit: that of the job's options.
	Redrive dmap.Redrive
	// Beat is the time between the heartbeats of a lease, which carry the live figures of the run:
	// from 3 to 10 s. Temporal Cloud counts each as an action. 0: 10 s. It cannot change
	// while the run runs.
	Beat time.Duration
	// Observer gets the events of the whole run, as the Run sees it: see Run. nil: nobody does.
	Observer *dmap.Observer
}

func (s Settings) check() error {
	if s.Beat != 0 && (s.Beat < leastBeat || s.Beat > beatEvery) {
		return fmt.Errorf("Settings.Beat %v: want %v to %v, or 0 for %v", s.Beat, leastBeat, beatEvery, beatEvery)
	}
	return errors.Join(s.control().Validate(), dmap.CheckCall[int, int](source.Slice([]int{}), dmap.Options{Redrive: s.Redrive}))
}

// input is the argument of the workflow of a run.
func (s Settings) input(run runRef) input {
	in := input{Run: run, Control: s.control(), Beat: s.Beat}
	if s.Redrive.Max > 0 || s.Redrive.Limit > 0 {
		in.Redrive = &s.Redrive
	}
	return in
}

func (s Settings) control() coord.Control {
	limit := cmp.Or(s.MaxConcurrency, 1000)
	return coord.Control{
		Limit: limit, PerLease: cmp.Or(s.PerLease, max(limit/30, min(limit, 8))), Rate: s.Rate, Tolerance: s.Tolerance, Budget: s.Budget,
	}
}
