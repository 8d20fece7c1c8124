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
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptemporal"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// sharedCalls runs a job on three workers, and returns the number of calls that each has made. Each
// worker makes the source anew.
func sharedCalls[T any](t *testing.T, server *devServer, bucket *blob.Bucket, settings dmaptemporal.Settings,
	of func() dmap.Source[T], takes time.Duration) (made []int64, stats dmap.Stats) {
	t.Helper()
	c := server.dial(t)
	var calls [3]atomic.Int64
	on := func(worker int) dmaptemporal.Map[params] {
		return dmaptemporal.Define("shared/v1", func(context.Context, params) (dmaptemporal.Job[T, int], error) {
			return dmaptemporal.Job[T, int]{Source: of(), Sink: sink.Bucket[int](bucket, "runs/"), Call: func(context.Context, T) (int, error) {
				calls[worker].Add(1)
				<-time.After(takes)
				return 0, nil
			}}, nil
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	for worker := range calls {
		group.Go(func() { require.NoError(t, dmaptemporal.Serve(ctx, c, "shared", on(worker))) })
	}
	run, err := on(0).Start(t.Context(), c, "shared", "r", params{}, settings)
	require.NoError(t, err)
	stats, err = run.Wait()
	require.NoError(t, err)
	for worker := range calls {
		made = append(made, calls[worker].Load())
	}
	return made, stats
}

// A server that may start activities on the worker that has asked for them would give all leases to
// the worker that has the workflow.
func TestAllWorkersGetLeasesOnAServerOfEagerActivities(t *testing.T) {
	server := newDevServer(t, "--dynamic-config-value", "system.enableActivityEagerExecution=true")
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	made, _ := sharedCalls(t, server, bucket, dmaptemporal.Settings{MaxConcurrency: 90, PerLease: 8},
		func() dmap.Source[int] { return source.Slice(make([]int, 10_000)) }, 20*time.Millisecond)
	t.Log(made)
	// With eager activities one worker makes 72 to 78 % of the calls. Without, the server gives
	// each lease to any of the workers, and the one with the most has made 35 to 56 %.
	require.Less(t, slices.Max(made), int64(6_500), "of %v", made)
}

// A listing of a few pages is one range, which a lease cuts for the workers that wait.
func TestAllWorkersGetAFewObjectsOnAServer(t *testing.T) {
	server, bucket := newDevServer(t), memblob.OpenBucket(nil)
	defer bucket.Close()
	const objects = 600
	for i := range objects {
		require.NoError(t, bucket.WriteAll(t.Context(), fmt.Sprintf("in/%04d", i), []byte("x"), nil))
	}
	began := time.Now()
	made, stats := sharedCalls(t, server, bucket, dmaptemporal.Settings{MaxConcurrency: 60, PerLease: 8},
		func() dmap.Source[source.Object] { return source.Objects(bucket, "in/") }, time.Second)
	require.EqualValues(t, objects, stats.Succeeded)
	t.Logf("%v calls in %v, ideal %v", made, time.Since(began).Round(time.Millisecond), objects/60*time.Second)
	require.EqualValues(t, objects, made[0]+made[1]+made[2], "each object once")
	require.Greater(t, slices.Min(made), int64(objects/20), "of %v", made)
}
