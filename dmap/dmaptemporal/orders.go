package dmaptemporal

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
)

// orders are the wishes that the run gets in the background, again until it has them.
type orders struct {
	asker
	ctx     context.Context //nolint:containedctx // of requests that outlive that of Start
	changed chan struct{}   // has a token when the run may have changed

	mu      sync.Mutex // guards the fields below
	paused  *bool      // nil: the run has the latest wish
	suspend bool
	cancel  bool
	cause   error         // of cancel
	wake    chan struct{} // has a token after a new wish
}

func newOrders(ctx context.Context, of asker) *orders {
	return &orders{asker: of, ctx: context.WithoutCancel(ctx), wake: make(chan struct{}, 1), changed: make(chan struct{}, 1)}
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

// update waits until the run has a value, at most 30 s.
func (o *orders) update(name string, value any) error {
	ctx, cancel := context.WithTimeout(o.ctx, updateTime)
	defer cancel()
	return o.send(ctx, name, value)
}

func (o *orders) send(ctx context.Context, name string, args ...any) error {
	handle, err := o.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: workflowID(o.id), UpdateName: name, Args: args, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, nil)
	}
	if err != nil {
		return fmt.Errorf("dmaptemporal: run %q: set %s: %w", o.id, name, err)
	}
	signal(o.changed)
	return nil
}

// deliver delivers the wishes in turn until ctx ends.
func (o *orders) deliver(ctx context.Context) {
	for {
		select {
		case <-o.wake:
		case <-ctx.Done():
			return
		}
		for !o.deliverAll(ctx) {
			select {
			case <-time.After(againAfter):
			case <-ctx.Done():
				return
			}
		}
	}
}

// deliverAll reports whether the run has all wishes.
func (o *orders) deliverAll(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, updateTime)
	defer cancel()
	o.mu.Lock()
	paused, suspend, canceled := o.paused, o.suspend, o.cancel
	o.mu.Unlock()
	if canceled {
		return o.client.CancelWorkflow(ctx, workflowID(o.id), "") == nil
	}
	if suspend {
		return o.send(ctx, suspendUpdate) == nil
	}
	if paused == nil {
		return true
	}
	if o.send(ctx, pauseUpdate, *paused) != nil {
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
