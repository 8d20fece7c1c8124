package dmaptemporal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/journal"
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
}

func (s Settings) control() coord.Control {
	limit := cmp.Or(s.MaxConcurrency, 1000)
	return coord.Control{
		Limit: limit, PerLease: cmp.Or(s.PerLease, max(1, limit/30)), Rate: s.Rate, Tolerance: s.Tolerance, Budget: s.Budget,
	}
}

// Run is a run on many machines. Its methods are safe for concurrent use, and make requests to
// Temporal.
type Run struct {
	id     string
	client client.Client
	run    client.WorkflowRun
}

// Start starts a run of m on the workers of a task queue, or finds that it runs already. A run that
// was left open is continued, also one that dmap.Map began; dmap.Map continues a run of Start. The
// results of a run that has ended are not made again.
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
	return &Run{runID, c, run}, nil
}

// Open finds a run that Start has started, in any process.
func Open(ctx context.Context, c client.Client, runID string) (*Run, error) {
	if _, err := c.DescribeWorkflow(ctx, workflowID(runID), ""); err != nil {
		return nil, fmt.Errorf("dmaptemporal: run %q: %w", runID, err)
	}
	return &Run{runID, c, c.GetWorkflow(ctx, workflowID(runID), "")}, nil
}

func workflowID(runID string) string { return "dmap/" + runID }

// ID returns the run's ID.
func (r *Run) ID() string { return r.id }

// Stats returns the counts of the leases that have reported.
func (r *Run) Stats(ctx context.Context) (dmap.Stats, error) {
	value, err := r.client.QueryWorkflow(ctx, workflowID(r.id), "", statsQuery)
	if err != nil {
		return dmap.Stats{}, fmt.Errorf("dmaptemporal: run %q: %w", r.id, err)
	}
	var s stats
	if err := value.Get(&s); err != nil {
		return dmap.Stats{}, fmt.Errorf("dmaptemporal: run %q: %w", r.id, err)
	}
	return statsOf(r.id, s.Counts, s.Control.Limit), nil
}

func statsOf(id string, n journal.Counts, limit int) dmap.Stats {
	return dmap.Stats{
		RunID: id, Read: n.Read, Succeeded: n.Succeeded, Failed: n.NowFailed(), Skipped: n.Skipped, Held: n.NowHeld(),
		Calls: n.Calls, Retries: n.Retries, Bytes: n.Bytes, Units: n.Units, Limit: limit,
	}
}

// SetMaxConcurrency changes the limit of the whole run. Leases follow within two seconds.
func (r *Run) SetMaxConcurrency(ctx context.Context, n int) error {
	return r.update(ctx, limitUpdate, n)
}

// SetRate changes the rate of the whole run.
func (r *Run) SetRate(ctx context.Context, rate dmap.Rate) error {
	return r.update(ctx, rateUpdate, rate)
}

// SetTolerance changes the tolerance, and judges the reported failures by it at once.
func (r *Run) SetTolerance(ctx context.Context, t dmap.Tolerance) error {
	return r.update(ctx, toleranceUpdate, t)
}

// Pause starts no more calls from two seconds on, until Resume. Calls in flight continue.
func (r *Run) Pause(ctx context.Context) error { return r.update(ctx, pauseUpdate, true) }

// Resume ends a Pause.
func (r *Run) Resume(ctx context.Context) error { return r.update(ctx, pauseUpdate, false) }

func (r *Run) update(ctx context.Context, name string, value any) error {
	handle, err := r.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: workflowID(r.id), UpdateName: name, Args: []any{value}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, nil)
	}
	if err != nil {
		return fmt.Errorf("dmaptemporal: run %q: set %s: %w", r.id, name, err)
	}
	return nil
}

// Cancel interrupts the calls in flight and ends the run. It does not wait.
func (r *Run) Cancel(ctx context.Context) error {
	return r.client.CancelWorkflow(ctx, workflowID(r.id), "")
}

// Wait waits for the end of the run. The error is nil after success. Otherwise it matches
// dmap.ErrTolerance, dmap.ErrCanceled, dmap.ErrFenced (another host or process has taken the run
// over), or dmap.ErrOpen: the text names the rest, and Start or dmap.Map continues the run. A
// server that does not answer is asked again until ctx ends. Other errors are of Temporal, and say
// nothing about the run.
func (r *Run) Wait(ctx context.Context) (dmap.Stats, error) {
	var out result
	err := r.get(ctx, &out)
	stats := statsOf(r.id, out.Counts, 0)
	if err != nil {
		return stats, r.ended(ctx, err)
	}
	switch out.End.Why {
	case coord.Tolerance:
		return stats, fmt.Errorf("run %q: %w: %d items failed", r.id, dmap.ErrTolerance, stats.Failed)
	case coord.Canceled:
		return stats, fmt.Errorf("run %q: %w", r.id, dmap.ErrCanceled)
	}
	return stats, nil
}

const askAgain = 5 * time.Second // after a server that does not answer

// get waits for the end of the workflow. The SDK gives up a minute after the server has gone.
func (r *Run) get(ctx context.Context, out *result) error {
	for {
		err := r.run.Get(ctx, out)
		if !unanswered(err) {
			return err
		}
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
			return err
		}
	}
}

func unanswered(err error) bool {
	_, unavailable := guard.As[*serviceerror.Unavailable](err)
	_, late := guard.As[*serviceerror.DeadlineExceeded](err)
	return unavailable || late
}

// ended is the error of a workflow that has not completed.
func (r *Run) ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if temporal.IsCanceledError(err) {
		return fmt.Errorf("run %q: %w", r.id, dmap.ErrCanceled)
	}
	if e, ok := guard.As[*temporal.ApplicationError](err); ok {
		switch e.Type() {
		case errFenced:
			return fmt.Errorf("run %q: %w: %s", r.id, dmap.ErrFenced, e.Message())
		case errOpen, errFatal:
			return fmt.Errorf("run %q: %w: %s", r.id, dmap.ErrOpen, e.Message())
		}
	}
	if _, ok := guard.As[*temporal.WorkflowExecutionError](err); ok {
		return fmt.Errorf("run %q: %w: %w", r.id, dmap.ErrOpen, err)
	}
	return fmt.Errorf("dmaptemporal: run %q: %w", r.id, err)
}
