package dmaptemporal

import (
	"cmp"
	"context"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/leaserun"
)

// follower has a lease follow the orders for all leases, and end with its activity.
type follower struct {
	machine steps
	era     int64
	lease   int64
	every   time.Duration // between heartbeats; 0: beatEvery
	control *leaserun.Control
	shedder *leaserun.Shedder

	version int64       // of the last orders
	last    *lease.Beat // only progress uses it
}

// follow polls the orders each second and sends heartbeats, until the returned function is called.
// Heartbeats wait for the server, and so have a goroutine of their own.
func (f *follower) follow(ctx context.Context) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		f.loop(ctx, done)
	}()
	first := beatEvery
	if f.every > 0 { // somebody looks
		first = pollEvery
	}
	beats := beat(ctx, first, cmp.Or(f.every, beatEvery), f.progress)
	return func() { beats(); close(done); <-ended }
}

func (f *follower) loop(ctx context.Context, done <-chan struct{}) {
	tick := time.NewTicker(pollEvery)
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

// progress is what a heartbeat says: how far the lease has come. Temporal keeps the newest, outside
// of the history of the run. The run may have ended while its report is made.
func (f *follower) progress() []any {
	if b, ok := f.control.Beat(); ok {
		b.Every = cmp.Or(f.every, beatEvery)
		f.last = &b
	}
	if f.last == nil {
		return nil
	}
	return []any{*f.last}
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
	f.shedder.Follow(o.Grant, o.Raised)
	f.control.SetRate(o.Rate)
	f.control.SetPaused(o.Paused)
	if o.Interrupt {
		f.control.Suspend()
	}
	if o.All || slices.Contains(o.Stop, f.lease) {
		f.control.Return()
	}
}
