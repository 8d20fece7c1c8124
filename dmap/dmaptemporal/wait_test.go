package dmaptemporal

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
)

// answers are those of a server to the question for the end of a workflow, one after the other.
type answers struct {
	client.WorkflowRun
	errs []error
}

func (a *answers) Get(_ context.Context, value any) error {
	if len(a.errs) == 0 {
		value.(*result).Counts = journal.Counts{Succeeded: 7}
		return nil
	}
	err := a.errs[0]
	a.errs = a.errs[1:]
	return err
}

func TestWaitAsksAServerThatDoesNotAnswerAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := &Run{id: "r", run: &answers{errs: []error{serviceerror.NewUnavailable("gone"), serviceerror.NewDeadlineExceeded("late")}}}
		stats, err := run.Wait(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 7, stats.Succeeded)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		run = &Run{id: "r", run: &answers{errs: []error{serviceerror.NewUnavailable("gone")}}}
		_, err = run.Wait(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestAnErrorOfTheServerDoesNotSayThatTheRunIsOpen(t *testing.T) {
	run := &Run{id: "r", run: &answers{errs: []error{serviceerror.NewPermissionDenied("no", "")}}}
	_, err := run.Wait(t.Context())
	require.Error(t, err)
	require.NotErrorIs(t, err, dmap.ErrOpen)
}
