package dmaptemporal

import "github.com/go-dmap/dmap/dmap"

// SetMaxConcurrency changes the limit of the whole run. Leases follow within two seconds.
func (r *Run) SetMaxConcurrency(n int) error { return r.orders.update(limitUpdate, n) }

// SetRate changes the rate of the whole run. Leases follow within two seconds.
func (r *Run) SetRate(rate dmap.Rate) error { return r.orders.update(rateUpdate, rate) }

// SetTolerance changes the tolerance, and judges the reported failures by it at once.
func (r *Run) SetTolerance(t dmap.Tolerance) error { return r.orders.update(toleranceUpdate, t) }

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
