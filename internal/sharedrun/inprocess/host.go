// Package inprocess hosts a run that several machines share in one process: the machines are
// goroutines, and the coordinator lives as long as the process. A run that it leaves open is
// continued by another host, or by dmap.Map.
package inprocess

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/leaserun"
	"github.com/go-dmap/dmap/internal/sharedrun"
	"github.com/go-dmap/dmap/internal/wholerun"
)

// Host runs the state machine of one run. Its exported methods, except Run, are safe for concurrent
// use.
type Host[T, R any] struct {
	machines []*sharedrun.Machine[T, R]
	control  coord.Control
	state    *coord.State
	leases   map[lease.Ref]*inFlight
	busy     int                      // steps in flight that are no leases
	next     int                      // the machine that gets the next lease
	orders   coord.Orders             // that the leases follow
	events   chan func(now time.Time) // to the goroutine of Run
	over     chan struct{}            // closed when Run returns
	view     wholerun.View            // of people
}

// inFlight is a lease that a machine has.
type inFlight struct {
	*leaserun.Control
	shedder *leaserun.Shedder
}

// New returns a host of the run that all machines share.
func New[T, R any](control coord.Control, machines ...*sharedrun.Machine[T, R]) *Host[T, R] {
	return &Host[T, R]{
		machines: machines, control: control, leases: map[lease.Ref]*inFlight{},
		events: make(chan func(time.Time)), over: make(chan struct{}),
	}
}

// Set changes the settings of the run. It waits until the host has them, or the run is over.
func (h *Host[T, R]) Set(change func(*coord.Control)) (err error) {
	h.do(func(now time.Time) {
		c := h.state.Control
		change(&c)
		err = h.state.Set(c, now)
	})
	return err
}

// Cancel ends the run.
func (h *Host[T, R]) Cancel() {
	h.do(func(time.Time) {
		h.state.Cancel()
		for _, c := range h.leases {
			c.Suspend()
		}
	})
}

// Totals are the counts of the run, as far as leases have reported them.
func (h *Host[T, R]) Totals() (c journal.Counts) {
	h.do(func(time.Time) { c = h.state.Totals() })
	return c
}

// Failures are the failed items in groups, those that the commits of all leases have so far.
func (h *Host[T, R]) Failures() (list []dmap.FailureGroup) {
	known := false
	h.do(func(now time.Time) {
		h.look(now)
		list, known = h.view.Failures(), true
	})
	if !known && h.state != nil { // the run is over
		return h.state.Failures
	}
	return list
}

// look has the view know what the coordinator and the leases say now.
func (h *Host[T, R]) look(now time.Time) {
	var beats []wholerun.Beat
	for _, c := range h.leases {
		if b, ok := c.Beat(); ok {
			beats = append(beats, wholerun.Beat{Beat: b, Seen: now})
		}
	}
	summary := h.state.Summary()
	h.view.Read(now, &summary, beats)
}

// do has the goroutine of Run call f, unless the run is over.
func (h *Host[T, R]) do(f func(now time.Time)) {
	done := make(chan struct{})
	select {
	case h.events <- func(now time.Time) { f(now); close(done) }:
		<-done
	case <-h.over:
	}
}

// Run runs the run to its end. The end of ctx leaves it open, as an error that matches
// sharedrun.ErrOpen does.
func (h *Host[T, R]) Run(ctx context.Context) (*dmap.Ending, error) {
	defer close(h.over)
	work := context.WithoutCancel(ctx)
	b, err := h.machines[0].Begin(ctx, lease.Starter{}, nil)
	if err != nil {
		return nil, err
	}
	if b.Ended {
		return h.machines[0].Finish(work, b.Era, coord.End{}, h.control.Tolerance)
	}
	h.state, err = coord.Begin(b.Start(h.control, time.Now()))
	if err != nil {
		return nil, err
	}
	h.orders = h.state.Orders()
	ends := ctx.Done()
	for {
		h.start(work)
		if end, over := h.state.Over(time.Now()); over && h.busy == 0 {
			return h.machines[0].Finish(work, h.state.Era, end, h.state.Control.Tolerance)
		}
		if h.state.Draining && h.state.Quiet() && h.busy == 0 {
			return nil, fmt.Errorf("%w: %w", sharedrun.ErrOpen, context.Cause(ctx))
		}
		if h.await(ends) {
			ends = nil
			h.suspend()
		}
	}
}

// await waits for an event, or until the state machine must be asked again. It reports whether the
// context of the run has ended.
func (h *Host[T, R]) await(ends <-chan struct{}) (ended bool) {
	var wake <-chan time.Time
	if at, ok := h.state.Wake(time.Now()); ok {
		timer := time.NewTimer(time.Until(at))
		defer timer.Stop()
		wake = timer.C
	}
	select {
	case event := <-h.events:
		event(time.Now())
	case <-wake:
	case <-ends:
		return true
	}
	return false
}

// suspend asks all leases back, within the drain timeout of their runs.
func (h *Host[T, R]) suspend() {
	h.state.Drain(true)
	for _, c := range h.leases {
		c.Suspend()
	}
}

// start starts all that the state machine has now.
func (h *Host[T, R]) start(ctx context.Context) {
	now := time.Now()
	for {
		l, ok := h.state.Take(now)
		if !ok {
			break
		}
		h.lease(ctx, l)
	}
	if task, ok := h.state.PlanNext(now); ok {
		h.plan(ctx, task)
	}
	if task, ok := h.state.Absorb(now); ok {
		h.absorb(ctx, task)
	}
	h.show()
}

// show has the leases follow the orders.
func (h *Host[T, R]) show() {
	o := h.state.Orders()
	for ref, c := range h.leases {
		c.shedder.Follow(o.Grant, o.Raised)
		if o.Rate != h.orders.Rate {
			c.SetRate(o.Rate)
		}
		if o.Paused != h.orders.Paused {
			c.SetPaused(o.Paused)
		}
		if o.All || slices.Contains(o.Stop, ref.Lease) {
			c.Return()
		}
	}
	h.orders = o
}

func (h *Host[T, R]) lease(ctx context.Context, l lease.Lease) {
	control, machine := new(leaserun.Control), h.machines[h.next%len(h.machines)]
	h.next++
	shedder := leaserun.Shed(machine.Pool(l.Era), l, control, func(m lease.Shed) {
		h.events <- func(now time.Time) { h.state.Shed(m, now) }
	})
	h.leases[l.Ref] = &inFlight{control, shedder}
	if h.orders.Paused {
		control.SetPaused(true)
	}
	go func() {
		report, err := machine.Lease(ctx, l, control)
		shedder.Linger(&report)
		shedder.End(&report, err == nil)
		h.events <- func(now time.Time) {
			delete(h.leases, l.Ref)
			if err != nil {
				h.state.Lost(l.Ref, now)
				return
			}
			h.state.Report(report, now)
		}
	}()
}

func (h *Host[T, R]) plan(ctx context.Context, task coord.PlanTask) {
	machine, era := h.machines[0], h.state.Era
	h.step(func() error {
		page, err := machine.Plan(ctx, era, task)
		return h.after(err, func(now time.Time) { h.state.Planned(page, now) }, func(now time.Time) { h.state.PlanLost(task.Task, now) })
	})
}

func (h *Host[T, R]) absorb(ctx context.Context, task coord.AbsorbTask) {
	machine, era := h.machines[0], h.state.Era
	h.step(func() error {
		found, err := machine.Absorb(ctx, era, task)
		return h.after(err, func(time.Time) { h.state.Absorbed(task.Task, found) }, func(time.Time) { h.state.AbsorbLost(task.Task) })
	})
}

// step runs f beside the goroutine of Run.
func (h *Host[T, R]) step(f func() error) {
	h.busy++
	go func() {
		err := f()
		h.events <- func(time.Time) {
			h.busy--
			h.stopIf(err)
		}
	}()
}

// after tells the state machine how a step went.
func (h *Host[T, R]) after(err error, done, lost func(now time.Time)) error {
	h.events <- func(now time.Time) {
		if err == nil {
			done(now)
		} else {
			lost(now)
		}
	}
	return err
}

// stopIf ends the run if another host or process has it, or if no machine can do the step. It is
// for steps of the host: a lease may be fenced alone.
func (h *Host[T, R]) stopIf(err error) {
	switch {
	case guard.Is(err, dmap.ErrFenced):
		h.state.Stop(coord.End{Why: coord.Fenced})
	case leaserun.Fatal(err):
		h.state.Stop(coord.End{Why: coord.Failed, Error: guard.Text(err, mostText)})
	}
}

// mostText bounds the text of an error.
const mostText = 1 << 10
