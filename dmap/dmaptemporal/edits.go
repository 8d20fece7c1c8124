package dmaptemporal

import (
	"errors"

	"go.temporal.io/sdk/workflow"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/journal"
)

// The names of updates, which change a setting of the run, and of the query.
const (
	limitUpdate     = "limit"
	toleranceUpdate = "tolerance"
	pauseUpdate     = "pause"
	rateUpdate      = "rate"
	statsQuery      = "stats"
)

// stats are what the query returns.
type stats struct {
	Counts   journal.Counts `json:"counts"` // of leases that have reported
	InFlight int            `json:"inFlight"`
	Queued   int            `json:"queued"` // pieces
	Control  coord.Control  `json:"control"`
	End      *coord.End     `json:"end,omitempty"`
}

func (h *host) stats() (stats, error) {
	if h.state == nil {
		return stats{Control: h.Control}, nil
	}
	s := h.state
	return stats{s.Totals(), s.InFlight(), len(s.Queue), s.Control, s.End}, nil
}

// handle registers the updates and the query.
func (h *host) handle(ctx workflow.Context) error {
	return errors.Join(
		workflow.SetQueryHandler(ctx, statsQuery, h.stats),
		update(ctx, h, limitUpdate, func(c *coord.Control, limit int) { c.Limit = limit }),
		update(ctx, h, toleranceUpdate, func(c *coord.Control, t dmap.Tolerance) { c.Tolerance = t }),
		update(ctx, h, pauseUpdate, func(c *coord.Control, paused bool) { c.Paused = paused }),
		update(ctx, h, rateUpdate, func(c *coord.Control, r dmap.Rate) { c.Rate = r }),
	)
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
