package dmaptemporal

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/go-dmap/dmap/dmap"
)

// orders are the wishes that the run gets in the background, again until it has them.
type orders struct {
	mu      sync.Mutex // guards the fields below
	paused  *bool      // nil: the run has the latest wish
	suspend bool
	cancel  bool
	cause   error         // of cancel
	wake    chan struct{} // has a token after a new wish
}

// want changes the wishes.
func (o *orders) want(change func()) {
	o.mu.Lock()
	change()
	o.mu.Unlock()
	signal(o.wake)
}

// signal puts a token into a channel, unless there is one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (o *orders) wantsPaused() *bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.paused
}

func (o *orders) canceledBy() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cause
}

const (
	updateTime = 30 * time.Second // for a change to be accepted: a worker must be there
	againAfter = time.Second      // after a wish that could not be delivered
)

// SetMaxConcurrency changes the limit of the whole run. Leases follow within two seconds.
func (r *Run) SetMaxConcurrency(n int) error { return r.update(limitUpdate, n) }

// SetRate changes the rate of the whole run. Leases follow within two seconds.
func (r *Run) SetRate(rate dmap.Rate) error { return r.update(rateUpdate, rate) }

// SetTolerance changes the tolerance, and judges the reported failures by it at once.
func (r *Run) SetTolerance(t dmap.Tolerance) error { return r.update(toleranceUpdate, t) }

// update waits until the run has a value, at most 30 s.
func (r *Run) update(name string, value any) error {
	ctx, cancel := context.WithTimeout(r.ctx, updateTime)
	defer cancel()
	return r.send(ctx, name, value)
}

func (r *Run) send(ctx context.Context, name string, args ...any) error {
	handle, err := r.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: workflowID(r.id), UpdateName: name, Args: args, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, nil)
	}
	if err != nil {
		return fmt.Errorf("dmaptemporal: run %q: set %s: %w", r.id, name, err)
	}
	signal(r.edited)
	return nil
}

// Pause starts no more calls until Resume. Calls in flight continue. The run gets it in the
// background, and leases follow within two seconds.
func (r *Run) Pause() { r.pause(true) }

// Resume ends a Pause, as Pause begins one.
func (r *Run) Resume() { r.pause(false) }

func (r *Run) pause(on bool) { r.orders.want(func() { r.orders.paused = &on }) }

// Cancel interrupts the calls in flight and ends the run. The run gets it in the background. Wait
// in this process returns an error that matches cause, too, unless it is nil.
func (r *Run) Cancel(cause error) {
	r.orders.want(func() { r.orders.cancel, r.orders.cause = true, cause })
}

// Suspend stops the work on the run on all machines, and leaves the run open: calls in flight get
// Options.DrainTimeout of the job to return, and Wait returns dmap.ErrSuspended. The run gets it in
// the background.
func (r *Run) Suspend() { r.orders.want(func() { r.orders.suspend = true }) }

// deliver delivers the wishes in turn until ctx ends.
func (r *Run) deliver(ctx context.Context) {
	for {
		select {
		case <-r.orders.wake:
		case <-ctx.Done():
			return
		}
		for !r.deliverAll(ctx) {
			select {
			case <-time.After(againAfter):
			case <-ctx.Done():
				return
			}
		}
	}
}

// deliverAll reports whether the run has all wishes.
func (r *Run) deliverAll(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, updateTime)
	defer cancel()
	o := &r.orders
	o.mu.Lock()
	paused, suspend, canceled := o.paused, o.suspend, o.cancel
	o.mu.Unlock()
	if canceled {
		return r.client.CancelWorkflow(ctx, workflowID(r.id), "") == nil
	}
	if suspend {
		return r.send(ctx, suspendUpdate) == nil
	}
	if paused == nil {
		return true
	}
	if r.send(ctx, pauseUpdate, *paused) != nil {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.paused != paused {
		return false // the wish is a new one
	}
	o.paused = nil
	return true
}
