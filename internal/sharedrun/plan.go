package sharedrun

import (
	"context"
	"errors"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/pieces"
	"github.com/go-dmap/dmap/sink"
)

// errEnded refuses a step for a run that has ended meanwhile.
var errEnded = errors.New("the run has ended")

// Plan returns the next pieces of the source, without the parts that are settled.
func (m *Machine[T, R]) Plan(ctx context.Context, era int64, task coord.PlanTask) (page coord.Page, err error) {
	var left func(dmap.Split) []dmap.Split
	ended, err := m.join(ctx, era, func(h *sink.Host[R]) error {
		p := h.Progress()
		left = unsettled(&p)
		return nil
	})
	if err != nil {
		return page, err
	}
	if ended != nil {
		return page, errEnded
	}
	page.Task = task.Task
	limits := pieces.Usual()
	limits.Items, limits.Most = task.Items, task.Max
	for piece, err := range pieces.Plan(ctx, m.plan, pieces.Cursor{After: task.After}, limits) {
		if err != nil {
			return page, err
		}
		page.Next = &piece.Split
		for _, split := range left(piece.Split) {
			page.Pieces = append(page.Pieces, coord.Piece{Split: split, Items: piece.Items})
		}
		if len(page.Pieces) >= task.Pieces {
			return page, nil
		}
	}
	page.Done, page.Next = true, nil
	return page, nil
}

// unsettled returns a function that gives the parts of a split that p has not settled.
func unsettled(p *journal.Progress) func(dmap.Split) []dmap.Split {
	unread := lease.Unread(p.Settled)
	return unread.Remaining()
}
