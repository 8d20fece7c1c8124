package dmaptemporal

import (
	"context"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/go-dmap/dmap/internal/leaserun"
)

// follower has a lease follow the orders for all leases, and end with its activity.
type follower struct {
	machine steps
	era     int64
	lease   int64
	control *leaserun.Control

	version int64 // of the last orders
}

// follow polls the orders each second, until the returned function is called. It sends no
// heartbeats: they wait for the server.
func (f *follower) follow(ctx context.Context) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		f.loop(ctx, done)
	}()
	return func() { close(done); <-ended }
}

func (f *follower) loop(ctx context.Context, done <-chan struct{}) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	canceled, stops := ctx.Done(), activity.GetWorkerStopChannel(ctx)
	for {
		select {
		case <-tick.C:
			f.poll(context.WithoutCancel(ctx))
		case <-stops:
			stops = nil
			f.control.Return()
		case <-canceled:
			canceled = nil
			f.control.Suspend()
		case <-done:
			return
		}
	}
}

// patience is how long a request for the orders may take: the next second has a newer one.
const patience = 5 * time.Second

// poll follows the newest orders. A store that does not answer changes nothing.
func (f *follower) poll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	o, version, ok, err := f.machine.Orders(ctx, f.era)
	if err != nil || !ok || version <= f.version {
		return
	}
	f.version = version
	f.control.SetSlots(o.Slots)
	f.control.SetRate(o.Rate)
	f.control.SetPaused(o.Paused)
	if o.All || slices.Contains(o.Stop, f.lease) {
		f.control.Return()
	}
}
