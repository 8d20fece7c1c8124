package dmaptemporal

import (
	"errors"

	"go.temporal.io/sdk/workflow"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/lease"
)

// The names of updates, which change a setting of the run, and of the query.
const (
	limitUpdate     = "limit"
	toleranceUpdate = "tolerance"
	pauseUpdate     = "pause"
	rateUpdate      = "rate"
	suspendUpdate   = "suspend"
	statsQuery      = "stats"
	// shedSignal has a lease.Shed: a worker gives splits back before its lease ends.
	shedSignal = "shed"
)

// stats are what the query returns.
type stats struct {
	coord.Summary
	Source string `json:"source,omitempty"` // its name
}

func (h *host) stats() (stats, error) {
	if h.state == nil {
		return stats{Summary: coord.Summary{Control: h.Control}}, nil
	}
	return stats{h.state.Summary(), h.Source}, nil
}

// suspend has all leases return within the drain timeout of their runs, and leaves the run open.
func (h *host) suspend() {
	h.suspended = true
	if h.state != nil {
		h.state.Suspend()
		h.cancelLeases()
		h.changed = true
	}
}

// handle registers the updates, the query and the signal.
func (h *host) handle(ctx workflow.Context) error {
	workflow.Go(h.work, h.receive)
	return errors.Join(
		workflow.SetQueryHandler(ctx, statsQuery, h.stats),
		workflow.SetUpdateHandler(ctx, suspendUpdate, func(workflow.Context) error { h.suspend(); return nil }),
		update(ctx, h, limitUpdate, func(c *coord.Control, limit int) { c.Limit = limit }),
		update(ctx, h, toleranceUpdate, func(c *coord.Control, t dmap.Tolerance) { c.Tolerance = t }),
		update(ctx, h, pauseUpdate, func(c *coord.Control, paused bool) { c.Paused = paused }),
		update(ctx, h, rateUpdate, func(c *coord.Control, r dmap.Rate) { c.Rate = r }),
	)
}

// receive takes splits back. A lost signal does no harm: the report has its splits, too.
func (h *host) receive(ctx workflow.Context) {
	for {
		var m lease.Shed
		workflow.GetSignalChannel(ctx, shedSignal).Receive(ctx, &m)
		if h.state != nil {
			h.state.Shed(m, workflow.Now(ctx))
			h.changed = true
		}
	}
}

// update registers an update of one setting. A value that the run cannot have is rejected.
func update[T any](ctx workflow.Context, h *host, name string, change func(*coord.Control, T)) error {
	changed := func(value T) coord.Control {
		c := h.Control
		if h.state != nil {
			c = h.state.Control
		}
		change(&c, value)
		return c
	}
	apply := func(ctx workflow.Context, value T) (coord.Control, error) {
		c := changed(value)
		if h.state == nil { // the run begins with it
			h.Control = c
			return c, nil
		}
		err := h.state.Set(c, workflow.Now(ctx))
		h.changed = true
		return c, err
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, name, apply, workflow.UpdateHandlerOptions{
		Validator: func(value T) error { return changed(value).Validate() },
	})
}
