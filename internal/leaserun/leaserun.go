// Package leaserun runs a lease of a run on many machines: the usual engine over a source that
// yields the splits of the lease only, with a lane as the sink that keeps its journal.
package leaserun

import (
	"context"
	"time"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
)

// Job is common to all leases of a run.
type Job[T, R any] struct {
	Source dmap.Source[T]
	Call   func(context.Context, T) (R, error) // nil: Batch
	Batch  func(context.Context, []dmap.Item[T]) ([]R, error)
	Limits batch.Limits // of Batch
	// Options are those of the run, with its RunID. MaxItems, Enough, budgets, the
	// tolerance and redrives have no effect here: they are the coordinator's.
	Options dmap.Options
}

// Lane is a sink that keeps the journal and the results of an attempt at a lease.
type Lane[R any] interface {
	dmap.Sink[R]
	// Progress is the union of what all lanes of the lease have settled, once the run has ended.
	Progress() ([]journal.Interval, journal.Counts)
}

// Run runs an attempt at a lease until nothing is left, its time is over, too many items have
// failed, or control asks for it back. The attempt finishes the items that it has read, with all
// retries.
//
// The error is one of this machine: another one may try again the Rest of the report. An
// error that any machine would meet is in the report, whose reason is then lease.Fatal.
func Run[T, R any](ctx context.Context, job Job[T, R], l lease.Lease, lane Lane[R], control *Control) (lease.Report, error) {
	began := time.Now()
	report := lease.Report{Ref: l.Ref}
	src := &source[T]{of: job.Source, plan: dmap.PlanOf(job.Source), splits: ofSource(l.Splits), began: func() { control.startTime(l.Time) }}
	ctx = control.attach(ctx, l.Ref, job.Options.Redact.Key != nil, src.unread)
	defer control.detach()
	run, err := start(ctx, job, l, src, lane)
	var stats dmap.Stats
	if err == nil {
		control.follow(run)
		limit := watchFailures(run, l, control)
		stats, err = run.Wait()
		limit()
		times := run.Times()
		report.Worked, report.Spent = times.Calls.Sum, lease.EffortOf(&times, &stats, run.Written())
		report.Spent.Called = 0 // Worked has it
	}
	settled, counts := lane.Progress()
	report.Counts = counts
	fill(&report, outcome{stats.Reason, stats.Truncated, err}, rest(l.Splits, settled), control.asked())
	if len(report.Rest) > max(l.Rest, len(l.Splits)) { // the next attempt continues from the lanes
		report.Rest, report.Unfinished = nil, true
	}
	report.Wall = time.Since(began)
	if report.Reason == "" {
		return report, err
	}
	return report, nil
}

func start[T, R any](ctx context.Context, job Job[T, R], l lease.Lease, src dmap.Source[T], lane Lane[R]) (*dmap.Run, error) {
	opts := options(job.Options, l)
	if job.Call != nil {
		return dmap.Start(ctx, src, job.Call, opts, dmap.Sink[R](lane))
	}
	return dmap.StartBatch(ctx, src, job.Limits, job.Batch, opts, dmap.Sink[R](lane))
}

// options are those of a lease.
func options(o dmap.Options, l lease.Lease) dmap.Options {
	o.MaxConcurrency, o.Rate = l.Slots, l.Rate
	// The total budget of the run is that of all attempts here: their lanes are its journal.
	o.MaxItems, o.Enough, o.Budget, o.TotalBudget, o.Redrive = l.Items, l.Enough, dmap.Budget{}, l.Budget, dmap.Redrive{}
	o.Tolerance = dmap.Tolerance{Count: l.Failures, BrokenObjects: manyBroken}
	if l.Failures < 0 {
		o.Tolerance.Count, o.Tolerance.Percentage = 0, 100
	}
	if l.CommitEvery > 0 {
		o.CommitEvery = l.CommitEvery
	}
	return o
}

// manyBroken is the largest Tolerance.BrokenObjects: the coordinator judges their number.
const manyBroken = 10_000
