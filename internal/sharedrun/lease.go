package sharedrun

import (
	"context"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/leaserun"
	"github.com/go-dmap/dmap/sink"
)

// Lease runs an attempt at a lease. The error is one of this machine: the host treats the attempt
// as lost. lease.Fenced says that another host or process has the run; an attempt whose lane alone
// was sealed is lost.
func (m *Machine[T, R]) Lease(ctx context.Context, l lease.Lease, control *leaserun.Control) (lease.Report, error) {
	lane := &lane[R]{Lane: m.job.Sink.Lane(l.Ref, l.Splits), ctx: context.WithoutCancel(ctx)}
	report, err := leaserun.Run(ctx, m.job.Job, l, lane, control)
	if guard.Is(err, dmap.ErrFenced) && m.superseded(ctx, l.Era) {
		return lease.Report{Ref: l.Ref, Reason: lease.Fenced}, nil
	}
	if lane.err != nil { // nobody knows how far the lease has come
		return lease.Report{}, lane.err
	}
	return report, err
}

// superseded reports whether an era is over, or the run has ended. If the store does not answer,
// the next attempt asks again.
func (m *Machine[T, R]) superseded(ctx context.Context, era int64) bool {
	ended, err := m.join(ctx, era, func(*sink.Host[R]) error { return nil })
	return ended != nil || guard.Is(err, dmap.ErrFenced)
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
