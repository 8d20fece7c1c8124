package sharedrun

import (
	"context"

	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/sink"
)

// Absorb takes the lanes of finished leases into the run. It returns the counts of the leases that
// are Unreported, if they are new to the run, and the failures of the run so far.
func (m *Machine[T, R]) Absorb(ctx context.Context, era int64, task coord.AbsorbTask) (out coord.Absorption, err error) {
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
		elapsed := task.Elapsed
		if len(told) > 0 {
			if err := h.Absorb(ctx, told, elapsed); err != nil {
				return err
			}
			elapsed = 0
		}
		if len(lost) > 0 {
			before := h.Progress().Counts
			if err := h.Absorb(ctx, lost, elapsed); err != nil {
				return err
			}
			after := h.Progress().Counts
			out.Counts = after.Minus(before)
			out.Elapsed = 0 // it is not that of the leases
		}
		out.Failures = lease.GroupsOf(h.Failed(), lease.RunFailures)
		return nil
	})
	return out, err
}
