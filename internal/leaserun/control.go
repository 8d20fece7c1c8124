package leaserun

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/stopread"
)

// Control steers one attempt at a lease, before and while it runs, from any goroutine. The zero
// Control is ready.
type Control struct {
	mu      sync.Mutex // guards the fields below
	request *stopread.Request
	run     *dmap.Run    // nil: not started, or ended
	reason  lease.Reason // why the reading has ended; empty: it has not
	timer   *time.Timer
	edits   []func(*dmap.Run) // before the run has started
	ref     lease.Ref
	saved   lease.Tally
	failed  func() []failgroup.Group // nil: not known
	hidden  bool                     // keys are
	slots   int                      // the last SetSlots; 0: none
	wanted  bool                     // somebody wants the lease back
	unread  func(stopread.Left) []dmap.Split
}

// Return asks for the lease back: the run reads nothing more, and finishes the items that it has
// read.
func (c *Control) Return() {
	c.stop(lease.Asked)
	c.want()
}

// Suspend ends the attempt within Options.DrainTimeout: calls that take longer are interrupted.
func (c *Control) Suspend() {
	c.edit((*dmap.Run).Suspend)
	c.want()
}

func (c *Control) want() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanted = true
}

func (c *Control) wantedBack() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wanted
}

// SetSlots changes the number of calls at once, at least 1.
func (c *Control) SetSlots(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slots = max(n, 1)
	if c.request != nil {
		c.request.SetLimit(c.slots)
	}
}

// Unread returns the splits that the attempt has not read and will not read, once its reading has
// ended; its calls may still run. ok is false while it reads.
func (c *Control) Unread() (rest []dmap.Split, ok bool) {
	c.mu.Lock()
	request, unread := c.request, c.unread
	c.mu.Unlock()
	if request == nil {
		return nil, false
	}
	left, ok := request.Left()
	if !ok {
		return nil, false
	}
	return unread(left), true
}

// couldUse returns the number of slots that the attempt would use, if it has this number of them:
// without a bound if it uses all of them, and reads.
func (c *Control) couldUse(slots int) int {
	c.mu.Lock()
	run, request, reason := c.run, c.request, c.reason
	c.mu.Unlock()
	if run == nil {
		return 0
	}
	stats := run.Stats()
	if _, ended := request.Left(); !ended && reason == "" && stats.InFlight >= slots && stats.Queued > 0 && !stats.Paused {
		return math.MaxInt
	}
	return stats.InFlight + stats.Queued
}

// SetRate changes the rate.
func (c *Control) SetRate(rate dmap.Rate) { c.edit(func(r *dmap.Run) { _ = r.SetRate(rate) }) }

// SetPaused pauses or resumes the calls.
func (c *Control) SetPaused(paused bool) {
	c.edit(func(r *dmap.Run) {
		if paused {
			r.Pause()
		} else {
			r.Resume()
		}
	})
}

// Stats are the counts so far; ok is false before the attempt has started, and after its end.
func (c *Control) Stats() (s dmap.Stats, ok bool) {
	c.mu.Lock()
	run := c.run
	c.mu.Unlock()
	if run == nil {
		return s, false
	}
	return run.Stats(), true
}

func (c *Control) edit(f func(*dmap.Run)) {
	c.mu.Lock()
	run := c.run
	if run == nil {
		c.edits = append(c.edits, f)
	}
	c.mu.Unlock()
	if run != nil {
		f(run)
	}
}

// stop ends the reading. The first reason counts.
func (c *Control) stop(why lease.Reason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reason != "" {
		return
	}
	c.reason = why
	if c.request != nil {
		c.request.Ask()
	}
}

func (c *Control) asked() lease.Reason {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason
}

// attach returns the context for the run of ref that c steers. hidden says that nobody may see
// keys, unread names the splits of a lease that are not read.
func (c *Control) attach(ctx context.Context, ref lease.Ref, hidden bool, unread func(stopread.Left) []dmap.Split) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ref, c.hidden, c.unread = ref, hidden, unread
	ctx, c.request = stopread.With(ctx)
	if c.slots > 0 {
		c.request.SetLimit(c.slots)
	}
	if c.reason != "" {
		c.request.Ask()
	}
	return ctx
}

func (c *Control) follow(run *dmap.Run) {
	c.mu.Lock()
	edits := c.edits
	c.run, c.edits = run, nil
	c.mu.Unlock()
	for _, f := range edits {
		f(run)
	}
}

// startTime starts the time of the lease. 0: it has no limit.
func (c *Control) startTime(limit time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if limit > 0 && c.timer == nil {
		c.timer = time.AfterFunc(limit, func() { c.stop(lease.Late) })
	}
}

func (c *Control) detach() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run, c.edits = nil, nil
	if c.timer != nil {
		c.timer.Stop()
	}
}
