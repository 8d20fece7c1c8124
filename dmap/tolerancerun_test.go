package dmap_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

func TestARunWithExactlyTheToleratedShareOfFailuresSucceeds(t *testing.T) {
	run := func(failures int) error {
		_, err := dmap.Map(t.Context(), numbers(100_000), func(_ context.Context, i int) (int, error) {
			if i >= 100_000-failures {
				return 0, errBoom
			}
			return i, nil
		}, dmap.Options{MaxConcurrency: 4, Tolerance: dmap.Tolerance{Percentage: 2.3}})
		return err
	}
	require.NoError(t, run(2_300))
	require.ErrorIs(t, run(2_301), dmap.ErrTolerance)
}
