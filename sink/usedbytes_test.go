package sink_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// The bytes of calls in the journal are those that the process has counted: chunks of fast calls
// are used again, and must not count twice.
func TestARunResumesWithTheBytesThatItHasUsed(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	const rows = 50_000
	lines := make([]byte, 0, 2*rows)
	for range rows {
		lines = append(lines, "1\n"...)
	}
	require.NoError(t, bucket.WriteAll(t.Context(), "in", lines, nil))
	var calls atomic.Int64
	var begun dmap.Stats
	run := func(stopAfter int64) (dmap.Stats, error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		return dmap.Map(ctx, source.JSONLines[int](bucket, "in"), func(context.Context, int) (int, error) {
			if calls.Add(1) == stopAfter {
				cancel()
			}
			return 1, nil
		}, dmap.Options{
			RunID: "r", MaxConcurrency: 4,
			Observer: &dmap.Observer{RunStarted: func(_ context.Context, e dmap.RunStart) context.Context {
				begun = e.Stats
				return nil
			}},
		}, sink.Bucket[int](bucket, "out"))
	}
	stopped, err := run(rows / 2)
	require.ErrorIs(t, err, dmap.ErrOpen)
	stats, err := run(0)
	require.NoError(t, err)
	require.Positive(t, begun.Bytes)
	require.LessOrEqual(t, begun.Bytes, stopped.Bytes)
	require.Equal(t, 2*begun.Succeeded, begun.Bytes, "of two bytes each")
	require.EqualValues(t, 2*rows, stats.Bytes)
}
