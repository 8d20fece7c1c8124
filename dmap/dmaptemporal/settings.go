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
	// MaxConcurrency is the most calls at once, on all machines together, up to 10,000,000. 0:
	// 1,000.
	MaxConcurrency int
	// PerLease is the usual number of calls at once of a lease, which one worker has: a third of
	// the calls that a worker should make, or less, up to 10,000. 0: a thirtieth of MaxConcurrency,
	// at least 8. Leases are up to a fifth smaller if more of MaxConcurrency is used then. Leases
	// of one worker use the slots of each other, and the last ones of a run have up to three times
	// as many.
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

// check returns all that is wrong with the settings of a run with this ID.
func (s Settings) check(runID string) error {
	var errs []error
	if runID == "" {
		errs = append(errs, errors.New("the run has no ID"))
	}
	if s.Beat != 0 && (s.Beat < leastBeat || s.Beat > beatEvery) {
		errs = append(errs, fmt.Errorf("Settings.Beat %v: want %v to %v, or 0 for %v", s.Beat, leastBeat, beatEvery, beatEvery))
	}
	options := dmap.Options{RunID: runID, Redrive: s.Redrive}
	return errors.Join(append(errs, dmap.CheckCall[int, int](source.Slice([]int{}), options), s.control().Validate())...)
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
		Limit: limit, PerLease: cmp.Or(s.PerLease, min(max(limit/30, min(limit, 8)), coord.MaxPerLease)), Rate: s.Rate, Tolerance: s.Tolerance, Budget: s.Budget,
	}
}
