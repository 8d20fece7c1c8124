package dmaptemporal

import (
	"cmp"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
)

// Settings are those of a run that can change while it runs.
type Settings struct {
	// MaxConcurrency is the most calls at once, on all machines together. 0: 1,000.
	MaxConcurrency int
	// PerLease is the most calls at once of a lease, which one worker has. 0: a thirtieth of
	// MaxConcurrency, at least 1.
	PerLease  int
	Rate      dmap.Rate      // of the whole run
	Tolerance dmap.Tolerance // of the whole run; may be exceeded by the calls and leases in flight
	Budget    dmap.Budget    // from the call of Start on
	// Observer gets the events of the whole run, as the Run sees it: see Run. nil: nobody does.
	Observer *dmap.Observer
}

func (s Settings) control() coord.Control {
	limit := cmp.Or(s.MaxConcurrency, 1000)
	return coord.Control{
		Limit: limit, PerLease: cmp.Or(s.PerLease, max(1, limit/30)), Rate: s.Rate, Tolerance: s.Tolerance, Budget: s.Budget,
	}
}
