package body

import (
	"context"
	"sync"
	"time"

	"github.com/go-dmap/dmap/internal/transient"
)

// ErrStalled says that no byte of an object came within Object.Stall.
var ErrStalled = transient.ErrStalled

// stallContext is the context of one connection: that of the caller, which also ends, with the
// cause ErrStalled, when a wait for the store takes longer than the stall timeout.
//
// It creates its timer and its cancellation when Done or Err is called first. A driver of a remote
// store calls them at once. The drivers of folders and memory never do: they cannot be interrupted,
// and small objects there should not pay for a timer.
type stallContext struct {
	context.Context               // the caller's
	stall           time.Duration // 0: no limit

	mu       sync.Mutex      // guards the rest
	waiting  bool            // a call waits for the store
	released bool            // release was called
	active   context.Context // what Done and Err answer for; nil: neither was called yet
	cancel   context.CancelCauseFunc
	timer    *time.Timer // runs only while waiting; nil: not active, or no stall timeout
}

// start prepares c for a connection, whose first wait starts now.
func (c *stallContext) start(ctx context.Context, stall time.Duration) {
	c.Context, c.stall, c.waiting = ctx, stall, true
}

// Done activates c.
func (c *stallContext) Done() <-chan struct{} { return c.activate().Done() }

// Err activates c, because a driver may poll it instead of listening to Done.
func (c *stallContext) Err() error { return c.activate().Err() }

// Value asks the active context first: package context finds out by a value of its own which
// context to cancel together with its children, and then needs no goroutine for them.
func (c *stallContext) Value(key any) any {
	c.mu.Lock()
	active := c.active
	c.mu.Unlock()
	if active != nil {
		return active.Value(key)
	}
	return c.Context.Value(key)
}

func (c *stallContext) activate() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active == nil {
		c.active, c.cancel = context.WithCancelCause(c.Context)
		if c.released {
			c.cancel(nil)
		} else if c.waiting {
			c.startTimer()
		}
	}
	return c.active
}

// startTimer starts the timer of a wait. The caller holds mu, and c is active.
func (c *stallContext) startTimer() {
	switch {
	case c.stall == 0:
	case c.timer == nil:
		cancel := c.cancel
		c.timer = time.AfterFunc(c.stall, func() { cancel(ErrStalled) })
	default:
		c.timer.Reset(c.stall)
	}
}

// beginWait is called before a call that waits for the store.
func (c *stallContext) beginWait() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = true
	if c.active != nil {
		c.startTimer()
	}
}

// endWait is called after it.
func (c *stallContext) endWait() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = false
	if c.timer != nil {
		c.timer.Stop()
	}
}

// cause returns why the context has ended, nil if it has not.
func (c *stallContext) cause() error {
	c.mu.Lock()
	ctx := c.active
	c.mu.Unlock()
	if ctx == nil {
		ctx = c.Context
	}
	return context.Cause(ctx)
}

// release cancels all that the driver still does for the connection.
func (c *stallContext) release() {
	c.endWait()
	c.mu.Lock()
	c.released = true
	cancel := c.cancel
	c.mu.Unlock()
	if cancel != nil { // not under mu: it calls Value through contexts made from c
		cancel(nil)
	}
}
