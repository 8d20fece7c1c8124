// Package stopread passes the wish that a run reads nothing more from other packages of this module
// to the engine. The run finishes the items that it has read, with all retries. Users cannot reach
// it.
package stopread

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/go-dmap/dmap/internal/journal"
)

type key struct{}

// Request is the wish, for one run. The run says in it how far it has read.
type Request struct {
	asked   chan struct{}
	once    sync.Once
	claimed atomic.Bool

	mu    sync.Mutex // guards the fields below
	left  *Left
	limit func(calls int)
	calls int // of the last SetLimit; 0: none
}

// Left says what a run has not read and will not read, once its reading has ended. Its calls may
// take longer.
type Left struct {
	Nothing bool               // the source was read to its end
	Parts   []journal.Interval // of the splits that were planned
	// Settled is what earlier processes have settled, also of splits that were not planned.
	Settled []journal.Interval
}

// With returns a context whose Request the first run that is started with it follows. Runs inside
// the calls of that run do not: their contexts hold the same Request, but it has been claimed.
func With(ctx context.Context) (context.Context, *Request) {
	r := &Request{asked: make(chan struct{})}
	return context.WithValue(ctx, key{}, r), r
}

// Claim returns the Request of ctx, nil if it has none that is free.
func Claim(ctx context.Context) *Request {
	r, _ := ctx.Value(key{}).(*Request)
	if r == nil || !r.claimed.CompareAndSwap(false, true) {
		return nil
	}
	return r
}

// Ask ends the reading of the run, once and for all, also before it has started.
func (r *Request) Ask() { r.once.Do(func() { close(r.asked) }) }

// Asked is closed by Ask.
func (r *Request) Asked() <-chan struct{} { return r.asked }

// End says that the reading of the run has ended, without an error.
func (r *Request) End(left Left) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = &left
}

// Left returns the unread parts; ok is false while the run reads, and after an error of the source.
func (r *Request) Left() (left Left, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left == nil {
		return left, false
	}
	return *r.left, true
}

// Limited says how the calls at once of the run are limited from now on.
func (r *Request) Limited(limit func(calls int)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.limit = limit
	if r.calls > 0 {
		limit(r.calls)
	}
}

// SetLimit changes the calls at once. Other than an edit of the run it is not recorded: it follows
// the other leases, and no person has made it. A run that has not started begins with it.
func (r *Request) SetLimit(calls int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = calls
	if r.limit != nil {
		r.limit(calls)
	}
}
