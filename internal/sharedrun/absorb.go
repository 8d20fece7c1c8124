package sharedrun

import (
	"context"
	"time"

	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/sink"
)

// Absorb takes the lanes of finished leases into the run. elapsed is the time of the run since the
// last call. It returns the counts of the leases that are Unreported, if they are new to the run.
func (m *Machine[T, R]) Absorb(ctx context.Context, era int64, task coord.AbsorbTask, elapsed time.Duration) (unknown journal.Counts, err error) {
	var told, lost []lease.Ref
	for _, f := range task.Leases {
		ref := lease.Ref{Lease: f.Lease, Attempt: f.Attempts, Era: era}
		if f.Unreported {
			lost = append(lost, ref)
		} else {
			told = append(told, ref)
		}
	}
	_, err = m.join(ctx, era, func(h *sink.Host[R]) error {
		if err := h.Absorb(ctx, told, elapsed); err != nil || len(lost) == 0 {
			return err
		}
		before := h.Progress().Counts
		err := h.Absorb(ctx, lost, 0)
		after := h.Progress().Counts
		unknown = after.Minus(before)
		return err
	})
	return unknown, err
}
