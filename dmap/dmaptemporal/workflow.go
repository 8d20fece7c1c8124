package dmaptemporal

import (
	"reflect"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/sharedrun"
)

// workflowName is the name of coordinate. Old runs use it.
const workflowName = "dmap/run"

// input is the argument of the workflow.
type input struct {
	Run     runRef        `json:"run"`
	Control coord.Control `json:"control"`
	Beat    time.Duration `json:"beat,omitempty"`    // between heartbeats of a lease; 0: beatEvery
	Redrive *dmap.Redrive `json:"redrive,omitempty"` // nil: that of the job's options
	// State is that of the workflow that continued as new; nil: the run begins.
	State   *coord.State `json:"state,omitempty"`
	Orders  coord.Orders `json:"orders,omitzero"`   // the last ones that workers were shown
	Version int64        `json:"version,omitempty"` // of Orders
	Source  string       `json:"source,omitempty"`  // its name, once the run has begun
}

// result is how the run ended.
type result struct {
	End    coord.End      `json:"end"`
	Counts journal.Counts `json:"counts"`
	// Before are the counts of a run that ended before this workflow began.
	Before *dmap.Stats          `json:"before,omitempty"`
	Stored finished             `json:"stored,omitzero"` // the end in the bucket
	Open   *sharedrun.OpenError `json:"open,omitempty"`  // why the run stays open

	Failures lease.Groups `json:"failures,omitempty"` // of all leases that are absorbed
	Effort   lease.Effort `json:"effort,omitzero"`    // of all attempts that have reported
}

// host runs the state machine in a workflow. Coroutines of the workflow run one at a time.
type host struct {
	input
	state    *coord.State
	changed  bool             // since the state machine was last asked for tasks
	busy     int              // activities that are not leases
	showing  bool             // of these, one shows Orders
	wake     time.Time        // of the earliest timer
	work     workflow.Context // of activities: the end of the workflow does not cancel it
	leases   workflow.Context // of leases: canceled when the workflow is, and by suspend
	canceled bool

	cancelLeases workflow.CancelFunc
	suspended    bool
}

// coordinate is the workflow of a run.
func coordinate(ctx workflow.Context, in input) (result, error) {
	workflow.GetVersion(ctx, "coordinator", workflow.DefaultVersion, 1)
	h := &host{input: in, state: in.State, changed: true}
	h.work, _ = workflow.NewDisconnectedContext(ctx)
	h.leases, h.cancelLeases = workflow.WithCancel(h.work)
	if err := h.handle(ctx); err != nil {
		return result{}, err
	}
	if h.state == nil {
		if b, err := h.begin(ctx); err != nil {
			return result{}, err
		} else if b.Ended {
			return result{Before: &b.Stats, Stored: b.End}, nil
		}
	}
	for {
		if err := workflow.Await(ctx, func() bool { return h.changed }); err != nil && !h.canceled {
			h.canceled = true
			h.state.Cancel()
			h.cancelLeases()
			ctx = h.work
		}
		h.changed = false
		h.start(ctx)
		if end, over := h.state.Over(workflow.Now(ctx)); over && h.busy == 0 {
			return h.finish(end)
		}
		if again := h.renew(ctx); again != nil {
			return result{}, again
		}
	}
}

// begin opens an era, unless the run has ended before.
func (h *host) begin(ctx workflow.Context) (b begun, err error) {
	if err := workflow.ExecuteActivity(taskOptions(ctx), beginName, beginCall{h.Run, h.Redrive}).Get(ctx, &b); err != nil || b.Ended {
		return b, err
	}
	state, err := coord.Begin(b.Start(h.Control, workflow.Now(ctx)))
	if err != nil {
		return b, temporal.NewNonRetryableApplicationError("the run cannot begin: "+guard.Text(err, mostText), errFatal, nil)
	}
	h.state, h.Orders, h.Source = state, state.Orders(), b.Source
	if h.suspended {
		h.suspend()
	}
	return b, nil
}

// start starts the activities of all tasks that the state machine has now.
func (h *host) start(ctx workflow.Context) {
	now := workflow.Now(ctx)
	for {
		l, ok := h.state.Take(now)
		if !ok {
			break
		}
		h.lease(leaseCall{h.Run, l, h.Beat})
	}
	if task, ok := h.state.PlanNext(now); ok {
		h.plan(planCall{h.Run, h.state.Era, task})
	}
	if task, ok := h.state.Absorb(now); ok {
		h.absorb(absorbCall{h.Run, h.state.Era, task})
	}
	if o := h.state.Orders(); !h.showing && !reflect.DeepEqual(o, h.Orders) && h.state.InFlight() > 0 {
		h.Orders = o
		h.Version++
		h.show(ordersCall{h.Run, h.state.Era, h.Version, o})
	}
	h.sleep(now)
}

// sleep sees that the state machine is asked again in time. A timer costs two events, so that one
// that fires earlier is used for all later times.
func (h *host) sleep(now time.Time) {
	at, ok := h.state.Wake(now)
	if !ok || h.wake.After(now) && !at.Before(h.wake) {
		return
	}
	h.wake = at
	workflow.Go(h.work, func(ctx workflow.Context) {
		_ = workflow.Sleep(ctx, at.Sub(now)) // ctx is not canceled
		h.changed = true
	})
}

// renew continues as new when the history is long and nothing is under way. Until then it asks the
// leases back.
func (h *host) renew(ctx workflow.Context) error {
	info := workflow.GetInfo(ctx)
	if info.GetCurrentHistoryLength() < maxEvents && !info.GetContinueAsNewSuggested() || h.state.End != nil {
		return nil
	}
	if !h.state.Draining {
		h.state.Drain(true)
		h.changed = true
	}
	if !h.state.Quiet() || h.busy > 0 || !workflow.AllHandlersFinished(ctx) {
		return nil
	}
	h.state.Drain(false)
	h.input.State = h.state
	return workflow.NewContinueAsNewError(ctx, workflowName, h.input)
}

// finish ends the run in the bucket, also after the workflow was canceled.
func (h *host) finish(end coord.End) (result, error) {
	out := result{End: end, Counts: h.state.Totals(), Failures: h.state.Failures, Effort: h.state.Spent}
	if end.Why == coord.Fenced {
		return out, temporal.NewNonRetryableApplicationError("another host or process has the run", errFenced, nil, out)
	}
	call := finishCall{h.Run, h.state.Era, end, h.state.Control.Tolerance}
	if err := workflow.ExecuteActivity(taskOptions(h.work), finishName, call).Get(h.work, &out.Stored); err != nil {
		if typed, ok := guard.As[*temporal.ApplicationError](err); ok && typed.NonRetryable() {
			_ = typed.Details(&out.Open) // of errOpen
			err = temporal.NewNonRetryableApplicationError(typed.Message(), typed.Type(), nil, out)
		}
		return out, err
	}
	if h.canceled {
		return out, temporal.NewCanceledError(out)
	}
	return out, nil
}

// ending returns the error by which an activity ends the run; nil: err is no such error.
func ending(err error) *temporal.ApplicationError {
	typed, ok := guard.As[*temporal.ApplicationError](err)
	if ok && (typed.Type() == errFenced || typed.Type() == errFatal || typed.Type() == errChanged) {
		return typed
	}
	return nil
}
