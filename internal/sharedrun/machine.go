// Package sharedrun is the work of one machine in a run that many share. A host, such as a workflow
// or an in-process one, decides by internal/coord when each step is due; the steps are here. All of
// them may be repeated, also by another machine.
package sharedrun

import (
	"context"
	"errors"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/leaserun"
	"github.com/go-dmap/dmap/sink"
)

// Job is a run as every machine knows it.
type Job[T, R any] struct {
	leaserun.Job[T, R]
	Sink *sink.BucketSink[R]
}

// Machine does the work of one machine. Its methods are safe for concurrent use.
type Machine[T, R any] struct {
	job  Job[T, R]
	plan dmap.Plan[T]
	spec dmap.RunSpec
	// using holds a token while a step of the host uses the sink, which serves one at a time.
	using   chan struct{}
	control latest // orders
	pools   pools
	mended  mended
}

// New checks the job. The error has all that is wrong with it, before any I/O.
func New[T, R any](job Job[T, R]) (*Machine[T, R], error) {
	if err := check(job); err != nil {
		return nil, err
	}
	m := &Machine[T, R]{job: job, plan: dmap.PlanOf(job.Source), using: make(chan struct{}, 1), control: newLatest()}
	m.spec = dmap.RunSpec{
		RunID: job.Options.RunID, Source: leaserun.Name(job.Source), Started: time.Now(), Options: job.Options, Batch: job.Limits,
	}
	return m, nil
}

func check[T, R any](job Job[T, R]) error {
	var errs []error
	fails := func(wrong bool, text string) {
		if wrong {
			errs = append(errs, errors.New(text))
		}
	}
	o := job.Options
	fails((job.Call == nil) == (job.Batch == nil), "want either a function of an item or one of a batch")
	fails(o.RunID == "", "Options.RunID is empty: all machines must name the same run")
	fails(job.Sink == nil, "the sink is nil")
	if job.Sink != nil {
		errs = append(errs, dmap.CheckCall(job.Source, o, dmap.Sink[R](job.Sink)))
	}
	if job.Batch != nil {
		errs = append(errs, job.Limits.Validate())
	}
	return errors.Join(errs...)
}

// use waits until no other step uses the sink.
func (m *Machine[T, R]) use(ctx context.Context) (done func(), err error) {
	select {
	case m.using <- struct{}{}:
		return func() { <-m.using }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// join acts for the era of a host. It calls f, unless the run has ended.
func (m *Machine[T, R]) join(ctx context.Context, era int64, f func(*sink.Host[R]) error) (ended *dmap.Ending, err error) {
	done, err := m.use(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	h, ended, err := m.job.Sink.JoinShared(ctx, m.spec, era)
	if err != nil || ended != nil {
		return ended, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	return nil, f(h)
}
