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
	lane := &lane[R]{Lane: m.job.Sink.Lane(l), ctx: context.WithoutCancel(ctx), control: control}
	report, err := leaserun.Run(ctx, m.job.Job, l, lane, control)
	if guard.Is(err, dmap.ErrFenced) && m.superseded(ctx, l.Era) {
		return lease.Report{Ref: l.Ref, Reason: lease.Fenced}, nil
	}
	if lane.err != nil { // nobody knows how far the lease has come
		return lease.Report{}, lane.err
	}
	return report, err
}

// Pool has the leases of an era that this machine runs; nil: they share no slots.
func (m *Machine[T, R]) Pool(era int64) *leaserun.Pool { return m.pools.of(era) }

// superseded reports whether an era is over, or the run has ended. If the store does not answer,
// the next attempt asks again.
func (m *Machine[T, R]) superseded(ctx context.Context, era int64) bool {
	ended, err := m.join(ctx, era, func(*sink.Host[R]) error { return nil })
	return ended != nil || guard.Is(err, dmap.ErrFenced)
}

// lane is the lane of a lease that says how far the lease has come.
type lane[R any] struct {
	*sink.Lane[R]
	ctx     context.Context //nolint:containedctx // of the attempt
	control *leaserun.Control
	err     error
}

// OpenJournal opens the lane. The control learns what its records settle.
func (l *lane[R]) OpenJournal(ctx context.Context, spec dmap.RunSpec, same func(context.Context, *journal.Progress) error) (journal.Log, journal.Progress, *dmap.Ending, error) {
	log, p, ended, err := l.Lane.OpenJournal(ctx, spec, same)
	if log == nil {
		return nil, p, ended, err
	}
	l.control.Saved(p.Counts)
	l.control.Failed(l.Failed)
	return &savedLog{log, l.control}, p, ended, err
}

// savedLog has a control count the items of the records that are written.
type savedLog struct {
	journal.Log
	control *leaserun.Control
}

// Append writes the next record.
func (l *savedLog) Append(ctx context.Context, c journal.Commit) error {
	err := l.Log.Append(ctx, c)
	if err == nil {
		l.control.Saved(c.Counts)
	}
	return err
}

// Progress reads what all lanes of the lease have settled.
func (l *lane[R]) Progress() (settled []journal.Interval, counts journal.Counts) {
	o, err := l.Outcome(l.ctx)
	l.err = err
	return o.Settled, o.Counts
}
