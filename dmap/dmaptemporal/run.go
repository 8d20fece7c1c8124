package dmaptemporal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/wholerun"
)

// Settings are those of a run that can change while it runs.
type Settings struct {
	// MaxConcurrency is the most calls at once, on all machines together. 0: 1,000.
	MaxConcurrency int
	// PerLease is the most calls at once of a lease, which one worker has. 0: a thirtieth of
	// MaxConcurrency, at least 1.
	PerLease  int
	Rate      dmap.Rate      // of the whole run
	Tolerance dmap.Tolerance // of the whole run; may be exceeded by the calls and leases in flight
	Budget    dmap.Budget    // from the call of Start on
	// Observer gets the events of the whole run, as the Run sees it: see Run. nil: nobody does.
	Observer *dmap.Observer
}

func (s Settings) control() coord.Control {
	limit := cmp.Or(s.MaxConcurrency, 1000)
	return coord.Control{
		Limit: limit, PerLease: cmp.Or(s.PerLease, max(1, limit/30)), Rate: s.Rate, Tolerance: s.Tolerance, Budget: s.Budget,
	}
}

// Run is a run on many machines, which this process follows until the run has ended, or the context
// of Start or Open has. The end of that context ends nothing else: the workers continue, and Wait
// returns an error that matches dmap.ErrOpen and the cause. Its methods are safe for concurrent
// use; it is a dmap.LiveRun, for package dmapweb, progress or dmapotel.
//
// Counts, times and calls are those of finished leases, and of the beats that workers send each
// second: they are read once a second. They are of the whole run, except that Times and Written
// leave out the leases that ended before this process followed the run. A job with
// Options.Redact.Key sends no keys, so that InFlight is empty.
//
// Settings.Observer gets RunStarted, once the run answers or 5 s after Start; PhaseChanged; Edited
// for each setting that is found changed, by any process; Committed at most once a second, with the
// items that all records since then have settled and with the number of such events as Number; and
// RunEnded. It gets no events of single calls and items: the Observer of Job.Options gets those, on
// each worker. Functions of an Observer have the same 10 s as in package dmap.
type Run struct {
	id     string
	client client.Client
	ctx    context.Context //nolint:containedctx // of requests that outlive that of Start
	run    client.WorkflowRun
	orders orders
	edited chan struct{} // has a token after the run has taken a setting
	events *events
	done   chan struct{}

	mu    sync.Mutex    // guards the fields below
	view  wholerun.View // as of the latest reading
	name  string        // of the source; empty: not known
	final dmap.Stats    // once done is closed, as err
	err   error
}

var _ dmap.LiveRun = (*Run)(nil)

// Start starts a run of m on the workers of a task queue, or finds that it runs already. A run that
// was left open is continued, also one that dmap.Map began; dmap.Map continues a run of Start. The
// results of a run that has ended are not made again: Wait returns its end. This process follows
// the run until ctx ends.
func (m Map[P]) Start(ctx context.Context, c client.Client, queue, runID string, params P, settings Settings) (*Run, error) {
	text, err := m.encode(params)
	if err != nil {
		return nil, err
	}
	if runID == "" {
		return nil, errors.New("dmaptemporal: the run has no ID")
	}
	control := settings.control()
	if err := control.Validate(); err != nil {
		return nil, fmt.Errorf("dmaptemporal: %w", err)
	}
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflowID(runID), TaskQueue: queue,
		WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}, workflowName, input{Run: runRef{RunID: runID, Name: m.name, Params: text}, Control: control})
	if err != nil {
		return nil, fmt.Errorf("dmaptemporal: start run %q: %w", runID, err)
	}
	return follow(ctx, c, runID, run, control, settings.Observer), nil
}

// Open finds a run that Start has started, in any process, and follows it until ctx ends. observer
// gets its events, as Settings.Observer does; nil: nobody does.
func Open(ctx context.Context, c client.Client, runID string, observer *dmap.Observer) (*Run, error) {
	if _, err := c.DescribeWorkflow(ctx, workflowID(runID), ""); err != nil {
		return nil, fmt.Errorf("dmaptemporal: run %q: %w", runID, err)
	}
	return follow(ctx, c, runID, c.GetWorkflow(ctx, workflowID(runID), ""), coord.Control{}, observer), nil
}

func workflowID(runID string) string { return "dmap/" + runID }

// follow begins to follow a run that has these settings, as far as is known.
func follow(ctx context.Context, c client.Client, id string, run client.WorkflowRun, control coord.Control, observer *dmap.Observer) *Run {
	r := &Run{
		id: id, client: c, ctx: context.WithoutCancel(ctx), run: run, events: newEvents(ctx, observer), done: make(chan struct{}),
		orders: orders{wake: make(chan struct{}, 1)}, edited: make(chan struct{}, 1),
	}
	r.view.Read(time.Now(), &coord.Summary{Control: control}, nil)
	go r.follow(ctx)
	return r
}

// ID returns the run's ID.
func (r *Run) ID() string { return r.id }

// Stats returns the counts as of the latest reading, or the final ones.
func (r *Run) Stats() dmap.Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over() {
		return r.final
	}
	s := r.stats()
	if paused := r.orders.wantsPaused(); paused != nil {
		s.Paused = *paused
	}
	return s
}

// stats are those of the view. The caller holds mu.
func (r *Run) stats() dmap.Stats {
	s := r.view.Stats()
	s.RunID = r.id
	return s
}

func (r *Run) over() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// Times says how the workers have spent their time.
func (r *Run) Times() dmap.Times {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.view.Times()
}

// Written is the number of bytes of results that the workers have stored.
func (r *Run) Written() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.view.Written()
}

// InFlight returns n of the calls that run for the longest time, the longest first. Each lease
// names its three oldest.
func (r *Run) InFlight(n int) []dmap.InFlightCall {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over() {
		return nil
	}
	return r.view.InFlight(r.id, n, time.Now())
}

// Workers are the processes that have leases of the run, or that have lost some.
func (r *Run) Workers() []dmap.RunWorker {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.view.Workers()
}

// Done is closed when the run has ended, or the context of Start or Open has.
func (r *Run) Done() <-chan struct{} { return r.done }

// Wait waits for Done. The error is nil after success. Otherwise it matches dmap.ErrTolerance,
// dmap.ErrCanceled, dmap.ErrFenced (another host or process has taken the run over), or
// dmap.ErrOpen: Start or dmap.Map continues the run, and the text names the rest. One that matches
// dmap.ErrOpen may also match dmap.ErrSuspended, dmap.ErrBudget, or the cause of the context.
func (r *Run) Wait() (dmap.Stats, error) {
	<-r.done
	return r.final, r.err
}
