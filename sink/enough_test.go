package sink_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

// A run that has enough has succeeded for everybody who reads it, and leaves only its tolerated
// failures to redo.
func TestARunWithEnoughSuccessesIsStoredAsOneThatHasSucceeded(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	var calls atomic.Int64
	bad := true
	fn := func(_ context.Context, i int) (int, error) {
		calls.Add(1)
		if bad && i%10 == 3 {
			return 0, errBad
		}
		return i, nil
	}
	opts := dmap.Options{RunID: "r", MaxConcurrency: 1, Enough: 20, Tolerance: dmap.Tolerance{Count: 10}}
	run := func() (dmap.Stats, error) {
		return dmap.Map(t.Context(), upTo(1000), fn, opts, sink.Bucket[int](bucket, "runs/"))
	}
	stats, err := run()
	require.NoError(t, err)
	require.EqualValues(t, 20, stats.Succeeded)
	require.EqualValues(t, 2, stats.Failed)
	require.EqualValues(t, 22, stats.Read)

	stored, err := results.Load(t.Context(), bucket, "runs/", "r")
	require.NoError(t, err)
	require.Equal(t, results.Succeeded, stored.Status)
	require.Equal(t, "enough", stored.Stats.Reason)
	require.True(t, stored.Stats.Truncated)
	pending := 0
	for _, err := range results.Pending(t.Context(), bucket, stored) {
		require.NoError(t, err)
		pending++
	}
	require.Zero(t, pending)

	stats, err = run()
	require.NoError(t, err)
	require.True(t, stats.EndedBefore)
	require.EqualValues(t, 22, calls.Load())

	bad = false
	opts.Redrive = dmap.Redrive{Max: 1, Tolerated: true}
	stats, err = run()
	require.NoError(t, err)
	require.EqualValues(t, 24, calls.Load(), "the failures run again, and nothing else")
	require.EqualValues(t, 22, stats.Succeeded)
	require.Zero(t, stats.Failed)
	require.Zero(t, stats.Pending)
}
