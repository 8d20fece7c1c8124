package body

import (
	"context"
	"sync"
	"time"
)

// limit is the context of one connection: the caller's, which also ends, with the cause ErrStalled, when a wait for the
// store takes longer than the stall timeout.
//
// Timer and cancellation are made when somebody first listens. What talks over a network does at once; a folder or a bucket
// in memory never does, could not be cut off anyway, and so does not pay for them with each small object.
type limit struct {
	context.Context               // the caller's
	stall           time.Duration // 0: none

	mu      sync.Mutex      // guards the rest
	waiting bool            // a call waits for the store
	over    bool            // end was called
	heard   context.Context // nil: nobody listens yet
	cancel  context.CancelCauseFunc
	timer   *time.Timer // nil: nobody listens yet, or no stall timeout. Runs only while waiting
}

// begin readies the limit for a connection, whose first wait starts now.
func (l *limit) begin(ctx context.Context, stall time.Duration) {
	l.Context, l.stall, l.waiting = ctx, stall, true
}

// Done makes the limit work from now on.
func (l *limit) Done() <-chan struct{} { return l.listen().Done() }

// Err makes the limit work from now on: there may be somebody who asks now and then instead of listening.
func (l *limit) Err() error { return l.listen().Err() }

// Value also tells package context what to cancel together, so that contexts made from l need no goroutine.
func (l *limit) Value(key any) any {
	l.mu.Lock()
	heard := l.heard
	l.mu.Unlock()
	if heard != nil {
		return heard.Value(key)
	}
	return l.Context.Value(key)
}

func (l *limit) listen() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.heard == nil {
		l.heard, l.cancel = context.WithCancelCause(l.Context)
		if l.over {
			l.cancel(nil)
		} else if l.waiting {
			l.arm()
		}
	}
	return l.heard
}

// arm starts the clock of a wait.
func (l *limit) arm() {
	switch {
	case l.stall == 0:
	case l.timer == nil:
		cancel := l.cancel
		l.timer = time.AfterFunc(l.stall, func() { cancel(ErrStalled) })
	default:
		l.timer.Reset(l.stall)
	}
}

// wait begins a wait for the store.
func (l *limit) wait() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = true
	if l.heard != nil {
		l.arm()
	}
}

// waited ends a wait.
func (l *limit) waited() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = false
	if l.timer != nil {
		l.timer.Stop()
	}
}

// ended is why the context has ended; nil: it has not.
func (l *limit) ended() error {
	l.mu.Lock()
	ctx := l.heard
	l.mu.Unlock()
	if ctx == nil {
		ctx = l.Context
	}
	return context.Cause(ctx)
}

// end cancels what still goes on under l.
func (l *limit) end() {
	l.waited()
	l.mu.Lock()
	l.over = true
	cancel := l.cancel
	l.mu.Unlock()
	if cancel != nil { // not under the lock: it asks contexts made from l
		cancel(nil)
	}
}
