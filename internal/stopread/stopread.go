// Package stopread passes the wish that a run reads nothing more from other packages of this module
// to the engine. The run finishes the items that it has read, with all retries. Users cannot reach
// it.
package stopread

import (
	"context"
	"sync"
	"sync/atomic"
)

type key struct{}

// Request is the wish, for one run.
type Request struct {
	asked   chan struct{}
	once    sync.Once
	claimed atomic.Bool
	readAll atomic.Bool
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

// ReadAll records that the run has read its source to the end.
func (r *Request) ReadAll() { r.readAll.Store(true) }

// HasReadAll reports whether ReadAll was called.
func (r *Request) HasReadAll() bool { return r.readAll.Load() }
