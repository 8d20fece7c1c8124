package dmaptemporal_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap/dmaptemporal"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// A server that may start activities on the worker that has asked for them would give all leases to
// the worker that has the workflow.
func TestAllWorkersGetLeasesOnAServerOfEagerActivities(t *testing.T) {
	c := newDevServer(t, "--dynamic-config-value", "system.enableActivityEagerExecution=true").dial(t)
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	var calls [3]atomic.Int64
	squares := func(worker int) dmaptemporal.Map[params] {
		return dmaptemporal.Define("squares/v1", func(_ context.Context, p params) (dmaptemporal.Job[int, int], error) {
			return dmaptemporal.Job[int, int]{
				Source: source.Slice(make([]int, p.Items)), Sink: sink.Bucket[int](bucket, "runs/"),
				Call: func(_ context.Context, i int) (int, error) {
					calls[worker].Add(1)
					<-time.After(20 * time.Millisecond)
					return i, nil
				},
			}, nil
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	for worker := range calls {
		group.Go(func() { require.NoError(t, dmaptemporal.Serve(ctx, c, "squares", squares(worker))) })
	}
	run, err := squares(0).Start(t.Context(), c, "squares", "r", params{10_000}, dmaptemporal.Settings{MaxConcurrency: 90, PerLease: 8})
	require.NoError(t, err)
	_, err = run.Wait()
	require.NoError(t, err)
	made := []int64{calls[0].Load(), calls[1].Load(), calls[2].Load()}
	t.Log(made)
	// With eager activities one worker makes 72 to 78 % of the calls. Without, the server gives each
	// lease to any of the workers, and the one with the most has made 35 to 56 %.
	require.Less(t, slices.Max(made), int64(6_500), "of %v", made)
}
