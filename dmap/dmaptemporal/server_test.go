package dmaptemporal_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptemporal"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// server starts a Temporal dev server.
func server(t *testing.T) client.Client {
	t.Helper()
	return newDevServer(t).dial(t)
}

// quiet is a logger of nothing.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

// params are those of the map of the tests.
type params struct{ Items int }

// cluster is a server, and workers that share a bucket.
type cluster struct {
	t       *testing.T
	server  *devServer
	client  client.Client
	bucket  *blob.Bucket
	squares dmaptemporal.Map[params]
	running atomic.Int64 // calls
	calls   atomic.Int64
	fails   func(i int) bool
	call    time.Duration
}

// newCluster starts workers without limits of their own.
func newCluster(t *testing.T, workers int) *cluster {
	s := newDevServer(t)
	c := &cluster{t: t, server: s, client: s.dial(t), bucket: memblob.OpenBucket(nil), fails: func(int) bool { return false }, call: 20 * time.Millisecond}
	t.Cleanup(func() { _ = c.bucket.Close() })
	c.squares = dmaptemporal.Define("squares/v1", func(_ context.Context, p params) (dmaptemporal.Job[int, int], error) {
		return dmaptemporal.Job[int, int]{Source: source.Slice(upTo(p.Items)), Call: c.square, Sink: sink.Bucket[int](c.bucket, "runs/")}, nil
	})
	for range workers {
		c.serve(dmaptemporal.Worker{})
	}
	return c
}

// upTo are the numbers below n.
func upTo(n int) []int {
	values := make([]int, n)
	for i := range values {
		values[i] = i
	}
	return values
}

// serve starts a worker. stop has it finish its leases.
func (c *cluster) serve(w dmaptemporal.Worker) (stop func()) {
	ctx, cancel := context.WithCancel(c.t.Context())
	var group sync.WaitGroup
	group.Go(func() { require.NoError(c.t, w.Serve(ctx, c.client, "squares", c.squares)) })
	stop = func() { cancel(); group.Wait() }
	c.t.Cleanup(stop)
	return stop
}

func (c *cluster) square(ctx context.Context, i int) (int, error) {
	c.calls.Add(1)
	c.running.Add(1)
	defer c.running.Add(-1)
	select {
	case <-time.After(c.call):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if c.fails(i) {
		return 0, fmt.Errorf("%d is bad", i)
	}
	return i * i, nil
}

func (c *cluster) start(items int, s dmaptemporal.Settings) *dmaptemporal.Run {
	c.t.Helper()
	run, err := c.squares.Start(c.t.Context(), c.client, "squares", "r", params{items}, s)
	require.NoError(c.t, err)
	return run
}

// stored are the items with a result, each of which must have one.
func (c *cluster) stored() (run *results.Run, items map[int64]bool) {
	c.t.Helper()
	run, err := results.Load(c.t.Context(), c.bucket, "runs/", "r")
	require.NoError(c.t, err)
	items = map[int64]bool{}
	for r, err := range results.Successes[int](c.t.Context(), c.bucket, run) {
		require.NoError(c.t, err)
		require.False(c.t, items[r.Offset], "item %d twice", r.Offset)
		require.EqualValues(c.t, r.Offset*r.Offset, r.Output)
		items[r.Offset] = true
	}
	return run, items
}

// storedBytes is the size of the results.
func (c *cluster) storedBytes() (n int64) {
	run, _ := c.stored()
	for _, p := range run.SucceededParts {
		n += p.Size
	}
	return n
}

func TestARunOnAServerHasEachResultOnce(t *testing.T) {
	c := newCluster(t, 3)
	began := time.Now()
	stats, err := c.start(20_000, dmaptemporal.Settings{MaxConcurrency: 90}).Wait()
	require.NoError(t, err)
	run, items := c.stored()
	require.Len(t, items, 20_000)
	require.EqualValues(t, 20_000, stats.Succeeded)
	require.Equal(t, results.Succeeded, run.Status)
	t.Logf("%v, ideal %v; %d calls", time.Since(began).Round(time.Millisecond), 20_000/90*c.call, c.calls.Load())
	again, err := c.start(20_000, dmaptemporal.Settings{}).Wait()
	require.NoError(t, err, "the run has ended before")
	require.True(t, again.EndedBefore)
	require.EqualValues(t, 20_000, again.Succeeded)
}

func TestARunOnAServerIsEditedPausedAndCanceled(t *testing.T) {
	c := newCluster(t, 3)
	c.call = 200 * time.Millisecond
	run := c.start(100_000, dmaptemporal.Settings{MaxConcurrency: 192})
	require.Eventually(t, func() bool { return c.running.Load() > 100 }, time.Minute, 10*time.Millisecond)
	began := time.Now()
	require.NoError(t, run.SetMaxConcurrency(16))
	require.Eventually(t, func() bool { return c.running.Load() <= 16 }, time.Minute, 10*time.Millisecond)
	t.Logf("192 to 16 calls in %v", time.Since(began).Round(time.Millisecond))
	began = time.Now()
	run.Pause()
	require.Eventually(t, func() bool { return c.running.Load() == 0 }, time.Minute, 10*time.Millisecond)
	t.Logf("paused in %v", time.Since(began).Round(time.Millisecond))
	run.Resume()
	require.Eventually(t, func() bool { return c.running.Load() > 0 }, time.Minute, 10*time.Millisecond)
	began = time.Now()
	run.Cancel(errors.New("enough"))
	_, err := run.Wait()
	require.ErrorIs(t, err, dmap.ErrCanceled)
	t.Logf("canceled in %v", time.Since(began).Round(time.Millisecond))
	stored, items := c.stored()
	require.Equal(t, results.Canceled, stored.Status)
	require.NotEmpty(t, items)
}

func TestARunOnAServerEndsByItsTolerance(t *testing.T) {
	c := newCluster(t, 2)
	c.fails = func(int) bool { return true }
	_, err := c.start(10_000, dmaptemporal.Settings{MaxConcurrency: 20, Tolerance: dmap.Tolerance{Count: 100}}).Wait()
	require.ErrorIs(t, err, dmap.ErrTolerance)
	run, _ := c.stored()
	require.Greater(t, run.Stats.Failed, int64(100))
	t.Logf("%d failed, 100 tolerated", run.Stats.Failed)
}

// Workers that stop return their leases, and a Map of one machine ends a run that the cluster left.
func TestWorkersOnAServerComeAndGo(t *testing.T) {
	c := newCluster(t, 1)
	c.call = 50 * time.Millisecond
	stop := c.serve(dmaptemporal.Worker{})
	run := c.start(20_000, dmaptemporal.Settings{MaxConcurrency: 60})
	require.Eventually(t, func() bool { return c.calls.Load() > 2000 }, time.Minute, 10*time.Millisecond)
	stop()
	c.serve(dmaptemporal.Worker{})
	_, err := run.Wait()
	require.NoError(t, err)
	_, items := c.stored()
	require.Len(t, items, 20_000)
	require.Less(t, c.calls.Load(), int64(20_000+100), "leases that return lose no calls")
}

// A worker that has as many leases as it takes carries out the other steps of the run, too.
func TestARunOnAServerWithMoreLeasesThanItsWorkerTakesIsPausedAtOnce(t *testing.T) {
	c := newCluster(t, 1)
	c.call = 15 * time.Second
	run := c.start(100_000, dmaptemporal.Settings{MaxConcurrency: 1000, PerLease: 8})
	require.Eventually(t, func() bool { return c.running.Load() >= 800 }, time.Minute, 10*time.Millisecond)
	run.Pause()
	<-time.After(3 * time.Second)
	paused := c.calls.Load()
	require.Eventually(t, func() bool { return c.running.Load() == 0 }, time.Minute, 10*time.Millisecond)
	require.Equal(t, paused, c.calls.Load(), "calls that began later than three seconds after the pause")
	began := time.Now()
	run.Cancel(errors.New("enough"))
	_, err := run.Wait()
	require.ErrorIs(t, err, dmap.ErrCanceled)
	t.Logf("canceled in %v", time.Since(began).Round(time.Millisecond))
}

func TestAWorkerOnAServerHasNoMoreLeasesThanItTakes(t *testing.T) {
	c := newCluster(t, 0)
	c.serve(dmaptemporal.Worker{Leases: 2})
	run := c.start(3000, dmaptemporal.Settings{MaxConcurrency: 100, PerLease: 10})
	most := int64(0)
	for c.calls.Load() < 3000 {
		most = max(most, c.running.Load())
		<-time.After(time.Millisecond)
	}
	require.InDelta(t, 18, most, 2, "of two leases")
	_, err := run.Wait()
	require.NoError(t, err)
	_, items := c.stored()
	require.Len(t, items, 3000)
}
