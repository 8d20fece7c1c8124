package dmaptemporal

import (
	"context"
	"errors"
	"fmt"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
)

// Start starts a run of m on the workers of a task queue, or finds that it runs already. A run that
// was left open is continued, also one that dmap.Map began; dmap.Map continues a run of Start. The
// results of a run that has ended are not made again: Wait returns its end, unless Redrive of the
// settings, or of the job's options, continues it. A run that runs with another Map or other
// parameters is refused: the error matches dmap.ErrSpecChanged. Settings of a run that runs stay as
// they are. This process follows the run until ctx ends.
func (m Map[P]) Start(ctx context.Context, c client.Client, queue, runID string, params P, settings Settings) (*Run, error) {
	if ctx == nil {
		return nil, errNoContext
	}
	text, err := m.encode(params)
	if err != nil {
		return nil, err
	}
	if err := settings.check(runID); err != nil {
		return nil, fmt.Errorf("dmaptemporal: %w", err)
	}
	ref := runRef{RunID: runID, Name: m.name, Params: text}
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflowID(runID), TaskQueue: queue, Memo: map[string]any{memoKey: memoOf(ref)},
		WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}, workflowName, settings.input(ref))
	if err == nil {
		err = sameJob(ctx, c, run, memoOf(ref))
	}
	if err != nil {
		return nil, fmt.Errorf("dmaptemporal: start run %q: %w", runID, err)
	}
	return follow(ctx, c, runID, run, settings.control(), settings.Observer), nil
}

// errNoContext is the error for a context of which no method can be called.
var errNoContext = errors.New("dmaptemporal: the context is nil: pass context.Background()")

// Open finds a run that Start has started, in any process, and follows it until ctx ends. observer
// gets its events, as Settings.Observer does; nil: nobody does.
func Open(ctx context.Context, c client.Client, runID string, observer *dmap.Observer) (*Run, error) {
	if ctx == nil {
		return nil, errNoContext
	}
	if _, err := c.DescribeWorkflow(ctx, workflowID(runID), ""); err != nil {
		return nil, fmt.Errorf("dmaptemporal: run %q: %w", runID, err)
	}
	return follow(ctx, c, runID, c.GetWorkflow(ctx, workflowID(runID), ""), coord.Control{}, observer), nil
}
