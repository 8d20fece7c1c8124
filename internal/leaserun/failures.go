package leaserun

import (
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/lease"
)

// watchEvery is how often the failures of a lease are compared with its share of a percentage. The
// engine judges the share of a count itself.
const watchEvery = 250 * time.Millisecond

// watchFailures ends the reading of a lease whose failures exceed its share of a percentage, until
// the returned function is called.
func watchFailures(run *dmap.Run, l lease.Lease, control *Control) (stop func()) {
	if l.Percentage <= 0 {
		return func() {}
	}
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if s := run.Stats(); l.Exceeded(s.Failed, s.Succeeded+s.Failed) {
					control.stop(lease.Failures)
					return
				}
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}
