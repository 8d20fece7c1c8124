package dmaptemporal

import (
	"context"
	"errors"
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

func TestAServerThatDoesNotAnswerIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := await(t.Context(), &answers{errs: []error{
			serviceerror.NewUnavailable("gone"), serviceerror.NewDeadlineExceeded("late"), errors.New("reset"),
		}})
		require.NoError(t, out.err)
		require.EqualValues(t, 7, out.Counts.Succeeded)

		ctx, cancel := context.WithTimeout(t.Context(), againAfter/2)
		defer cancel()
		began := time.Now()
		out = await(ctx, &answers{errs: []error{serviceerror.NewUnavailable("gone"), serviceerror.NewUnavailable("gone")}})
		require.True(t, out.left)
		require.ErrorIs(t, out.err, context.DeadlineExceeded)
		require.Equal(t, againAfter/2, time.Since(began))
	})
}

func TestAServerThatRefusesDoesNotSayThatTheRunIsOpen(t *testing.T) {
	for _, refusal := range []error{serviceerror.NewPermissionDenied("no", ""), serviceerror.NewNamespaceNotFound("n")} {
		out := await(t.Context(), &answers{errs: []error{refusal}})
		_, _, err := out.judge(nil)
		require.ErrorIs(t, err, refusal)
		require.NotErrorIs(t, err, dmap.ErrOpen)
	}
}
