package dmaptemporal

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/sharedrun"
)

func TestTheEndOfAWorkflowIsThatOfItsRun(t *testing.T) {
	cause := errors.New("too late")
	ended := func(reason, text string) outcome {
		return outcome{known: true, result: result{Stored: finished{Reason: reason, Error: text}}}
	}
	again := func(out outcome) outcome { out.Stored.Before = true; return out }
	failed := func(kind string, open *sharedrun.OpenError) outcome {
		return outcome{known: true, result: result{Open: open}, err: temporal.NewNonRetryableApplicationError("its text", kind, nil)}
	}
	canceled := outcome{known: true, result: result{End: coord.End{Why: coord.Canceled}}}
	canceled.err = temporal.NewCanceledError(canceled.result)
	for name, c := range map[string]struct {
		out    outcome
		state  dmap.State
		reason string
		errs   []error // all are matched
	}{
		"done":              {ended("succeeded", ""), dmap.StateEnded, "succeeded", nil},
		"tolerance":         {ended("tolerance", "2 of 3"), dmap.StateEnded, "tolerance", []error{dmap.ErrTolerance}},
		"an end of a trial": {again(ended("trial", "of 3 items")), dmap.StateEnded, "trial", []error{dmap.ErrEnded}},
		"an end before":     {again(ended("tolerance", "2 of 3")), dmap.StateEnded, "tolerance", []error{dmap.ErrTolerance, dmap.ErrEnded}},
		"canceled":          {canceled, dmap.StateEnded, "canceled", []error{dmap.ErrCanceled, cause}},
		"suspended":         {failed(errOpen, &sharedrun.OpenError{Reason: "suspended"}), dmap.StateOpen, "suspended", []error{dmap.ErrSuspended, dmap.ErrOpen}},
		"budget":            {failed(errOpen, &sharedrun.OpenError{Reason: "budget"}), dmap.StateOpen, "budget", []error{dmap.ErrBudget, dmap.ErrOpen}},
		"held":              {failed(errOpen, &sharedrun.OpenError{Reason: "held", Held: 2}), dmap.StateOpen, "held", []error{dmap.ErrHeld}},
		"a total budget":    {failed(errOpen, &sharedrun.OpenError{Reason: "total budget"}), dmap.StateOpen, "total budget", []error{dmap.ErrBudget}},
		"fenced":            {failed(errFenced, nil), dmap.StateOpen, "fenced", []error{dmap.ErrFenced}},
		"changed":           {failed(errChanged, nil), dmap.StateOpen, "", []error{dmap.ErrSpecChanged}},
		"open":              {failed(errOpen, nil), dmap.StateOpen, "", []error{dmap.ErrOpen}},
		"fatal":             {failed(errFatal, nil), dmap.StateOpen, "", []error{dmap.ErrOpen}},
		"not followed":      {outcome{left: true, err: cause}, dmap.StateOpen, "context", []error{dmap.ErrOpen, cause}},
		"terminated":        {outcome{err: cause}, dmap.StateOpen, "", []error{dmap.ErrOpen, cause}},
	} {
		t.Run(name, func(t *testing.T) {
			state, reason, err := c.out.judge(cause)
			require.Equal(t, c.state, state)
			require.Equal(t, c.reason, reason)
			require.Equal(t, len(c.errs) == 0, err == nil, "%v", err)
			for _, want := range c.errs {
				require.ErrorIs(t, err, want)
			}
			require.Equal(t, slices.Contains(c.errs, dmap.ErrOpen), errors.Is(err, dmap.ErrOpen), "the same call continues: %v", err)
			require.Equal(t, slices.Contains(c.errs, dmap.ErrEnded), errors.Is(err, dmap.ErrEnded), "%v", err)
		})
	}
}

func TestTheFinalCountsAreThoseOfTheWorkflow(t *testing.T) {
	last := dmap.Stats{RunID: "r", Succeeded: 5, Pending: 3, InFlight: 3, AdaptedLimit: 2, Throttled: 9}
	out := outcome{known: true, result: result{Counts: journal.Counts{Read: 9, Succeeded: 8, Failed: 1, Calls: 10}}}
	require.Equal(t, dmap.Stats{RunID: "r", Read: 9, Succeeded: 8, Failed: 1, Calls: 10, Throttled: 9}, finalStats(last, &out))
	require.Equal(t, dmap.Stats{RunID: "r", Succeeded: 5, Pending: 3, Throttled: 9}, finalStats(last, &outcome{}))
	stored := outcome{result: result{Before: &dmap.Stats{Succeeded: 1}}}
	require.Equal(t, dmap.Stats{RunID: "r", Succeeded: 1, EndedBefore: true}, finalStats(last, &stored))
}

func TestOnlyBeatsThatCanBeRightAreRead(t *testing.T) {
	at := time.Unix(1e9, 0).UTC()
	pending := func(name string, value any) *workflowpb.PendingActivityInfo {
		details, err := converter.GetDefaultDataConverter().ToPayloads(value)
		require.NoError(t, err)
		return &workflowpb.PendingActivityInfo{
			ActivityType: &commonpb.ActivityType{Name: name}, HeartbeatDetails: details,
			LastWorkerIdentity: "7@host", LastHeartbeatTime: timestamppb.New(at),
		}
	}
	sent := lease.Beat{Ref: lease.Ref{Lease: 3, Attempt: 1}, Stats: dmap.Stats{Succeeded: 4}}
	b, ok := asker{}.beatOf(pending(leaseName, sent))
	require.True(t, ok)
	require.Equal(t, sent, b.Beat)
	require.Equal(t, "7@host", b.Worker)
	require.Equal(t, at, b.Seen)
	negative := sent
	negative.Stats.Pending = -1
	for name, a := range map[string]*workflowpb.PendingActivityInfo{
		"another activity":  pending(planName, sent),
		"nothing yet":       {ActivityType: &commonpb.ActivityType{Name: leaseName}},
		"a negative number": pending(leaseName, negative),
		"another version":   pending(leaseName, "beat"),
	} {
		_, ok := asker{}.beatOf(a)
		require.False(t, ok, name)
	}
}

func TestEventsAreWhatHasChanged(t *testing.T) {
	var got []any
	e := newEvents(t.Context(), &dmap.Observer{
		RunStarted:   func(ctx context.Context, _ dmap.RunStart) context.Context { return context.WithValue(ctx, e2{}, 1) },
		Edited:       func(_ context.Context, e dmap.EditEvent) { got = append(got, e) },
		Committed:    func(_ context.Context, e dmap.CommitEvent) { got = append(got, e) },
		PhaseChanged: func(_ context.Context, e dmap.PhaseEvent) { got = append(got, e.Phase) },
		RunEnded:     func(context.Context, dmap.RunEnd) { panic("of a user") },
	})
	e.started(dmap.RunStart{Stats: dmap.Stats{Succeeded: 7}}, coord.Control{Limit: 10})
	require.Equal(t, 1, e.ctx.Value(e2{}))
	e.edited(coord.Control{Limit: 10})
	e.edited(coord.Control{Limit: 20, Paused: true})
	e.committed(lease.Tally{Succeeded: 5})
	e.committed(lease.Tally{Succeeded: 7})
	e.committed(lease.Tally{Succeeded: 9, Failed: 1})
	for _, p := range []dmap.Phase{"", dmap.PhaseRead, "", dmap.PhaseRead, dmap.PhaseSaving, dmap.PhaseRead} {
		e.phaseChanged(p, nil)
	}
	pass(e, e.to.RunEnded, dmap.RunEnd{})
	require.Equal(t, []any{
		dmap.EditEvent{Setting: "MaxConcurrency", From: 10, To: 20}, dmap.EditEvent{Setting: "Paused", From: false, To: true},
		dmap.CommitEvent{Succeeded: 2, Failed: 1}, dmap.PhaseRead, dmap.PhaseSaving,
	}, got)
	newEvents(t.Context(), nil).edited(coord.Control{Limit: 3})
}

type e2 struct{}
