package dmaptemporal

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/scrub"
)

// lease runs an attempt at a lease. Without a report it was lost.
func (h *host) lease(call leaseCall) {
	workflow.Go(h.leases, func(ctx workflow.Context) {
		var r lease.Report
		err := workflow.ExecuteActivity(leaseOptions(ctx), leaseName, call).Get(ctx, &r)
		if now := workflow.Now(ctx); err != nil || r.Ref != call.Lease.Ref {
			h.lost(err, func() { h.state.Lost(call.Lease.Ref, now) })
			h.stopBy(err)
		} else {
			h.state.Report(r, now)
		}
		h.changed = true
	})
}

// task runs an activity that is not a lease. done gets its error, if it is not one that ends the
// run.
func (h *host) task(name string, call, result any, done func(ctx workflow.Context, err error)) {
	h.busy++
	workflow.Go(h.work, func(ctx workflow.Context) {
		err := workflow.ExecuteActivity(taskOptions(ctx), name, call).Get(ctx, result)
		h.busy--
		done(ctx, err)
		h.stopBy(err)
		h.changed = true
	})
}

func (h *host) plan(call planCall) {
	page := new(coord.Page)
	h.task(planName, call, page, func(ctx workflow.Context, err error) {
		if err != nil {
			h.lost(err, func() { h.state.PlanLost(call.Task.Task, workflow.Now(ctx)) })
			return
		}
		h.state.Planned(*page, workflow.Now(ctx))
	})
}

func (h *host) absorb(call absorbCall) {
	found := new(coord.Absorption)
	h.task(absorbName, call, found, func(_ workflow.Context, err error) {
		if err != nil {
			h.state.AbsorbLost(call.Task.Task)
			return
		}
		h.state.Absorbed(call.Task.Task, *found)
	})
}

func (h *host) show(call ordersCall) {
	h.showing = true
	h.task(ordersName, call, nil, func(workflow.Context, error) { h.showing = false })
}

// lost has the state machine lose an activity. If that ends the run, the end has the error.
func (h *host) lost(err error, lose func()) {
	running := h.state.End == nil
	lose()
	if end := h.state.End; running && end != nil && err != nil {
		end.Error += ", the last time by: " + scrub.Text(reasonOf(err), mostText)
	}
}

// reasonOf is the error of an activity without the names that Temporal puts before it.
func reasonOf(err error) string {
	if typed, ok := guard.As[*temporal.ApplicationError](err); ok {
		return typed.Message()
	}
	if late, ok := guard.As[*temporal.TimeoutError](err); ok {
		return late.TimeoutType().String() + " timeout of Temporal"
	}
	return guard.Text(err, mostText)
}

// stopBy ends the run after an error that says so.
func (h *host) stopBy(err error) {
	switch e := ending(err); {
	case e == nil:
	case e.Type() == errFenced:
		h.state.Stop(coord.End{Why: coord.Fenced})
	default:
		h.state.Stop(coord.End{Why: coord.Failed, Error: e.Message()})
	}
}
