package sharedrun

import (
	"context"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/leaserun"
	"github.com/go-dmap/dmap/sink"
)

// Lease runs an attempt at a lease. The error is one of this machine: the host treats the attempt
// as lost.
func (m *Machine[T, R]) Lease(ctx context.Context, l lease.Lease, control *leaserun.Control) (lease.Report, error) {
	lane := &lane[R]{Lane: m.job.Sink.Lane(l.Ref, l.Splits), ctx: context.WithoutCancel(ctx)}
	report, err := leaserun.Run(ctx, m.job.Job, l, lane, control)
	if lane.err != nil { // nobody knows how far the lease has come
		return lease.Report{}, lane.err
	}
	return report, err
}

// lane is the lane of a lease that says how far the lease has come.
type lane[R any] struct {
	*sink.Lane[R]
	ctx context.Context //nolint:containedctx // of the attempt
	err error
}

// Progress reads what all lanes of the lease have settled.
func (l *lane[R]) Progress() (settled []journal.Interval, counts journal.Counts) {
	o, err := l.Outcome(l.ctx)
	l.err = err
	return o.Settled, o.Counts
}
