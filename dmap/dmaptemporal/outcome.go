package dmaptemporal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/wholerun"
)

// outcome is how a workflow has ended, or that this process no longer follows it.
type outcome struct {
	result
	known bool // result is
	left  bool // this process no longer follows the run: err is the cause of the context
	err   error
}

// await waits for the end of the workflow, or of ctx.
func await(ctx context.Context, run client.WorkflowRun) outcome {
	var out outcome
	err := run.Get(ctx, &out.result)
	for err != nil && ctx.Err() == nil && !final(err) { // Temporal does not answer
		select {
		case <-time.After(againAfter):
		case <-ctx.Done():
		}
		err = run.Get(ctx, &out.result)
	}
	switch {
	case err == nil:
		out.known = true
		return out
	case ctx.Err() != nil && !final(err):
		return outcome{left: true, err: context.Cause(ctx)}
	}
	out.err = err
	if canceled, ok := guard.As[*temporal.CanceledError](err); ok {
		out.known = canceled.HasDetails() && canceled.Details(&out.result) == nil
	} else if e, ok := guard.As[*temporal.ApplicationError](err); ok {
		out.known = e.HasDetails() && e.Details(&out.result) == nil
	}
	return out
}

// final reports whether err says how the workflow ended, that there is none, or that Temporal
// refuses to answer.
func final(err error) bool {
	_, ended := guard.As[*temporal.WorkflowExecutionError](err)
	_, gone := guard.As[*serviceerror.NotFound](err)
	return ended || gone || refused(err)
}

// refused reports whether Temporal refuses to answer: then nothing is known of the run.
func refused(err error) bool {
	_, denied := guard.As[*serviceerror.PermissionDenied](err)
	_, invalid := guard.As[*serviceerror.InvalidArgument](err)
	_, unknown := guard.As[*serviceerror.NamespaceNotFound](err)
	return denied || invalid || unknown
}

// finalStats are the counts of the end; last are those of the latest reading.
func finalStats(last dmap.Stats, out *outcome) dmap.Stats {
	if out.Before != nil {
		stored := *out.Before
		stored.RunID, stored.EndedBefore = last.RunID, true
		return stored
	}
	if out.known {
		n := wholerun.Counted(out.Counts)
		last.Succeeded, last.Failed, last.Skipped, last.Held = n.Succeeded, n.Failed, n.Skipped, n.Held
		last.Calls, last.Retries, last.Bytes, last.Units, last.Pending, last.Read = n.Calls, n.Retries, n.Bytes, n.Units, n.Pending, n.Read
	}
	last.InFlight, last.Waiting, last.Queued, last.Stuck = 0, 0, 0, 0
	last.AdaptedLimit, last.AdaptedRate, last.BackOff, last.ReadingPaused = 0, 0, 0, false
	return last
}

// judge says how a run has ended, which this process has canceled with a cause, if at all.
func (out *outcome) judge(cause error) (state dmap.State, reason string, err error) {
	open := func(reason string, err error) (dmap.State, string, error) {
		if !guard.Is(err, dmap.ErrOpen) {
			err = fmt.Errorf("%w: %w", dmap.ErrOpen, err)
		}
		return dmap.StateOpen, reason, err
	}
	e, typed := guard.As[*temporal.ApplicationError](out.err)
	switch {
	case out.err == nil:
		return dmap.StateEnded, out.Stored.Reason, out.Stored.Err()
	case temporal.IsCanceledError(out.err) && out.known:
		return dmap.StateEnded, "canceled", errors.Join(dmap.ErrCanceled, cause)
	case typed && e.Type() == errFenced:
		return dmap.StateOpen, "fenced", fmt.Errorf("%w: %s", dmap.ErrFenced, e.Message())
	case typed && e.Type() == errChanged:
		return dmap.StateOpen, "", fmt.Errorf("%w: %s", dmap.ErrSpecChanged, e.Message())
	case typed && out.Open != nil:
		return dmap.StateOpen, out.Open.Reason, out.Open
	case typed && (e.Type() == errOpen || e.Type() == errFatal):
		return open("", errors.New(e.Message()))
	case temporal.IsCanceledError(out.err): // before it had begun
		return open("canceled", dmap.ErrCanceled)
	case out.left:
		return open("context", out.err)
	case refused(out.err):
		return dmap.StateOpen, "", out.err
	default:
		return open("", out.err)
	}
}

// causeOf is the error with which a run stops; nil: it has succeeded.
func causeOf(end coord.End) error {
	switch end.Why {
	case coord.Done:
		return nil
	case coord.Tolerance:
		return dmap.ErrTolerance
	case coord.Canceled:
		return dmap.ErrCanceled
	case coord.Suspended:
		return dmap.ErrSuspended
	case coord.Budget:
		return dmap.ErrBudget
	case coord.Fenced:
		return dmap.ErrFenced
	default:
		return errors.New(end.Error)
	}
}
