package sink_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

// The bucket keeps what a run has used: for its TotalBudget, for readers, and for a redrive.
func TestTheBucketKeepsWhatARunHasUsed(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	bad := true
	spend := func(ctx context.Context, i int) (int, error) {
		if err := dmap.Spend(ctx, 0.25); err != nil {
			return 0, err
		}
		if bad && i == 90 {
			return 0, errBad
		}
		return i, nil
	}
	opts := dmap.Options{
		RunID: "r", MaxConcurrency: 1, Budget: dmap.Budget{Calls: 30}, TotalBudget: dmap.Budget{Units: 20}, Tolerance: dmap.Tolerance{Count: 1},
	}
	run := func() (dmap.Stats, error) {
		return dmap.Map(t.Context(), upTo(100), spend, opts, sink.Bucket[int](bucket, "runs/"))
	}
	for range 2 {
		_, err := run()
		require.ErrorIs(t, err, dmap.ErrOpen)
	}
	stats, err := run()
	require.ErrorIs(t, err, dmap.ErrBudget)
	require.NotErrorIs(t, err, dmap.ErrOpen)
	require.EqualValues(t, 80, stats.Calls)
	open, err := results.Load(t.Context(), bucket, "runs/", "r")
	require.NoError(t, err)
	require.Equal(t, dmap.StateOpen, open.Stats.State)
	require.Equal(t, "total budget", open.Stats.Reason)
	require.EqualValues(t, 80, open.Stats.Succeeded)
	require.InDelta(t, 20, open.Stats.Units, 0)
	require.Contains(t, open.Error, "Options.TotalBudget.Units")

	opts.TotalBudget.Units = 40
	stats, err = run()
	require.NoError(t, err)
	require.EqualValues(t, 1, stats.Failed)
	ended, err := results.Load(t.Context(), bucket, "runs/", "r")
	require.NoError(t, err)
	require.Equal(t, results.Succeeded, ended.Status)
	require.InDelta(t, 25, ended.Stats.Units, 0)

	bad = false
	opts.Redrive = dmap.Redrive{Max: 1, Tolerated: true}
	opts.TotalBudget.Units = 25
	_, err = run()
	require.ErrorContains(t, err, "raise Options.TotalBudget.Units", "a redrive spends from the same budget")
	opts.TotalBudget.Units = 26
	stats, err = run()
	require.NoError(t, err)
	require.EqualValues(t, 100, stats.Succeeded)
	require.InDelta(t, 25.25, stats.Units, 0)
}

// A run without a journal cannot continue: its manifest says that it was not finished.
func TestAnExpressRunThatABudgetEndsIsCanceled(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	_, err := dmap.Map(t.Context(), upTo(100), func(_ context.Context, i int) (int, error) { return i, nil },
		dmap.Options{RunID: "r", Budget: dmap.Budget{Calls: 30}}, sink.Bucket[int](bucket, "runs/", sink.BucketOptions{Express: true}))
	require.ErrorIs(t, err, dmap.ErrBudget)
	run, err := results.Load(t.Context(), bucket, "runs/", "r")
	require.NoError(t, err)
	require.Equal(t, results.Canceled, run.Status)
	require.Equal(t, "budget", run.Stats.Reason)
	require.EqualValues(t, 30, run.Stats.Succeeded)
}
