package budget_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/budget"
)

func TestReadersWaitForTheBudget(t *testing.T) {
	release, err := budget.Take(t.Context(), 3*budget.Bytes)
	require.NoError(t, err, "more than there is: all of it")
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, err = budget.Take(ctx, 1)
	require.ErrorIs(t, err, cause)
	second, err := budget.Take(budget.Within(t.Context()), 1)
	require.NoError(t, err)
	second()
	release()
	release() // twice is once
	synctest.Test(t, func(t *testing.T) {
		first, err := budget.Take(t.Context(), budget.Bytes)
		require.NoError(t, err)
		took := false
		go func() {
			release, err := budget.Take(t.Context(), 1)
			took = err == nil
			release()
		}()
		synctest.Wait()
		require.False(t, took)
		first()
		synctest.Wait()
		require.True(t, took)
	})
}
