package dmaptemporal_test

import (
	"context"
	"fmt"
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
	// With eager activities one worker makes 72 to 78 % of the calls. Without, the server gives
	// each lease to any of the workers, and the one with the most has made 35 to 56 %.
	require.Less(t, slices.Max(made), int64(6_500), "of %v", made)
}

// A listing of a few pages is one range, which a lease cuts for the workers that wait.
func TestAllWorkersGetAFewObjectsOnAServer(t *testing.T) {
	c := newDevServer(t).dial(t)
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	const objects = 600
	for i := range objects {
		require.NoError(t, bucket.WriteAll(t.Context(), fmt.Sprintf("in/%04d", i), []byte("x"), nil))
	}
	var calls [3]atomic.Int64
	sizes := func(worker int) dmaptemporal.Map[params] {
		return dmaptemporal.Define("sizes/v1", func(context.Context, params) (dmaptemporal.Job[source.Object, int64], error) {
			return dmaptemporal.Job[source.Object, int64]{
				Source: source.Objects(bucket, "in/"), Sink: sink.Bucket[int64](bucket, "runs/"),
				Call: func(_ context.Context, o source.Object) (int64, error) {
					calls[worker].Add(1)
					<-time.After(time.Second)
					return o.Size, nil
				},
			}, nil
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	for worker := range calls {
		group.Go(func() { require.NoError(t, dmaptemporal.Serve(ctx, c, "sizes", sizes(worker))) })
	}
	began := time.Now()
	run, err := sizes(0).Start(t.Context(), c, "sizes", "r", params{}, dmaptemporal.Settings{MaxConcurrency: 60, PerLease: 8})
	require.NoError(t, err)
	stats, err := run.Wait()
	require.NoError(t, err)
	require.EqualValues(t, objects, stats.Succeeded)
	made := []int64{calls[0].Load(), calls[1].Load(), calls[2].Load()}
	t.Logf("%v calls in %v, ideal %v", made, time.Since(began).Round(time.Millisecond), objects/60*time.Second)
	require.EqualValues(t, objects, made[0]+made[1]+made[2], "each object once")
	require.Greater(t, slices.Min(made), int64(objects/20), "of %v", made)
}
