package dmaptemporal

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/leaserun"
	"github.com/go-dmap/dmap/internal/sharedrun"
)

// steps are those of a sharedrun.Machine after Begin.
type steps interface {
	Plan(ctx context.Context, era int64, task coord.PlanTask) (coord.Page, error)
	Lease(ctx context.Context, l lease.Lease, control *leaserun.Control) (lease.Report, error)
	Absorb(ctx context.Context, era int64, task coord.AbsorbTask) (coord.Absorption, error)
	Show(ctx context.Context, era, version int64, orders coord.Orders) error
	Pool(era int64) *leaserun.Pool
	Orders(ctx context.Context, era int64) (orders coord.Orders, version int64, ok bool, err error)
	Finish(ctx context.Context, era int64, end coord.End, tolerance dmap.Tolerance) (*dmap.Ending, error)
}

// work are the activities of one worker.
type work struct {
	building
	leases int // that the worker has at most; 0: no limit
}

func newWork(definitions map[string]opener) *work {
	return &work{building: building{definitions: definitions, built: map[string]*built{}}}
}

var _ activities = (*work)(nil)

func (w *work) Begin(ctx context.Context, call beginCall) (b begun, err error) {
	var before unbuilt
	_ = activity.GetHeartbeatDetails(ctx, &before) // there are none: this is the first attempt
	defer beat(ctx, beatEvery, beatEvery, func() []any { return []any{before} })()
	m, err := w.open(ctx, call.Run)
	if failed, ok := guard.As[*unbuiltError](err); ok {
		now := before.plus(failed)
		if now.enough() {
			return b, fatal(err)
		}
		activity.RecordHeartbeat(ctx, now) // for the next attempt, also by another worker
		return b, err
	}
	if err == nil {
		b, err = m.Begin(ctx, starter(activity.GetInfo(ctx)), call.Redrive)
	}
	return b, typed(err)
}

// starter is the workflow. A worker that stalls in Begin, and comes back, must not take the run
// from the attempt that follows.
func starter(info activity.Info) lease.Starter {
	return lease.Starter{ID: info.WorkflowExecution.RunID, Attempt: int(info.Attempt)}
}

func (w *work) Plan(ctx context.Context, call planCall) (page coord.Page, err error) {
	defer beat(ctx, beatEvery, beatEvery, nil)()
	m, err := w.open(ctx, call.Run)
	if err == nil {
		page, err = m.Plan(ctx, call.Era, call.Task)
	}
	return page, typed(err)
}

func (w *work) Absorb(ctx context.Context, call absorbCall) (found coord.Absorption, err error) {
	defer beat(ctx, beatEvery, beatEvery, nil)()
	m, err := w.open(ctx, call.Run)
	if err == nil {
		found, err = m.Absorb(ctx, call.Era, call.Task)
	}
	return found, typed(err)
}

func (w *work) Orders(ctx context.Context, call ordersCall) error {
	defer beat(ctx, beatEvery, beatEvery, nil)()
	m, err := w.open(ctx, call.Run)
	if err == nil {
		err = m.Show(ctx, call.Era, call.Version, call.Orders)
	}
	return typed(err)
}

func (w *work) Finish(ctx context.Context, call finishCall) (f finished, err error) {
	defer beat(ctx, beatEvery, beatEvery, nil)()
	m, err := w.open(ctx, call.Run)
	if err != nil {
		return f, typed(err)
	}
	end, err := m.Finish(ctx, call.Era, call.End, call.Tolerance)
	if err == nil {
		f = sharedrun.EndedWith(end)
	}
	return f, typed(err)
}

// Lease runs an attempt at a lease. It returns the lease early when the worker stops.
func (w *work) Lease(ctx context.Context, call leaseCall) (r lease.Report, err error) {
	m, err := w.forLease(ctx, call.Run)
	if err != nil {
		return r, typed(err)
	}
	control := new(leaserun.Control)
	shedder := leaserun.Shed(w.pool(m, call.Lease.Era), call.Lease, control, func(s lease.Shed) { shed(ctx, s) })
	f := follower{machine: m, era: call.Lease.Era, lease: call.Lease.Lease, every: call.Beat, control: control, shedder: shedder}
	if info := activity.GetInfo(ctx); info.StartedTime.Sub(info.ScheduledTime) > pollEvery {
		f.poll(ctx) // no worker had room for the lease: there may be newer orders
	}
	defer f.follow(ctx)()
	// The end of ctx must not cost the report: the control ends the lease.
	r, err = m.Lease(context.WithoutCancel(ctx), call.Lease, control)
	shedder.Linger(&r)
	shedder.End(&r, err == nil)
	return r, err
}

// pool has the leases of an era of a run in this worker.
func (w *work) pool(m machine, era int64) *leaserun.Pool {
	pool := m.Pool(era)
	if pool == nil { // a later era has begun
		pool = new(leaserun.Pool)
	}
	pool.AtMost(w.leases)
	return pool
}

// forLease is open with heartbeats, for the one attempt of a lease.
func (w *work) forLease(ctx context.Context, run runRef) (machine, error) {
	defer beat(ctx, beatEvery, beatEvery, nil)()
	return w.patient(ctx, activity.GetWorkerStopChannel(ctx), run)
}

// shed gives splits back to the workflow. A signal that is lost costs time, and nothing else.
func shed(ctx context.Context, m lease.Shed) {
	of := activity.GetInfo(ctx).WorkflowExecution
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	_ = activity.GetClient(ctx).SignalWorkflow(ctx, of.ID, of.RunID, shedSignal, m)
}

// beat sends heartbeats with these details, the first one after another time, until the returned
// function is called. details may be nil.
func beat(ctx context.Context, first, every time.Duration, details func() []any) (stop func()) {
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(first)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				var sent []any
				if details != nil {
					sent = details()
				}
				activity.RecordHeartbeat(ctx, sent...)
				tick.Reset(every)
			case <-done:
				return
			}
		}
	}()
	return func() { close(done) }
}

// mostText bounds the text of an error in the history of a workflow, in bytes.
const mostText = 4 << 10

// fatal is an error that ends the run.
func fatal(err error) error {
	kind := errFatal
	if guard.Is(err, dmap.ErrSpecChanged) {
		kind = errChanged
	}
	return temporal.NewNonRetryableApplicationError(guard.Text(err, mostText), kind, nil)
}

// typed gives an error the type by which the workflow knows it.
func typed(err error) error {
	var already *temporal.ApplicationError
	switch {
	case err == nil:
		return nil
	case guard.Is(err, dmap.ErrFenced):
		return temporal.NewNonRetryableApplicationError(guard.Text(err, mostText), errFenced, nil)
	case guard.Is(err, sharedrun.ErrOpen):
		open, _ := guard.As[*sharedrun.OpenError](err)
		return temporal.NewNonRetryableApplicationError(guard.Text(err, mostText), errOpen, nil, open)
	}
	if already, _ = guard.As[*temporal.ApplicationError](err); already != nil {
		return err
	}
	if leaserun.Fatal(err) {
		return fatal(err)
	}
	return err
}
