package dmaptemporal_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptemporal"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// A deployment replaces workers one by one: some do not have the map of the run yet, and one cannot
// open the bucket at first.
func TestWorkersOnAServerThatCannotBuildTheJobCostNothing(t *testing.T) {
	c := newCluster(t, 0)
	ctx, stop := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	t.Cleanup(func() { stop(); serving.Wait() })
	serve := func(name string, errs int32) *atomic.Int32 {
		calls := new(atomic.Int32)
		m := dmaptemporal.Define(name, func(_ context.Context, p params) (job dmaptemporal.Job[int, int], err error) {
			if calls.Add(1) <= errs {
				return job, errors.New("no bucket yet")
			}
			return dmaptemporal.Job[int, int]{Source: source.Slice(upTo(p.Items)), Call: c.square, Sink: sink.Bucket[int](c.bucket, "runs/")}, nil
		})
		serving.Go(func() {
			if err := dmaptemporal.Serve(ctx, c.client, "squares", m); err != nil {
				t.Error(err)
			}
		})
		return calls
	}
	old := serve("squares/v0", 0)
	late := serve("squares/v1", 2)
	serve("squares/v1", 0)
	run := c.start(3000, dmaptemporal.Settings{MaxConcurrency: 60, PerLease: 10})
	stats, err := run.Wait()
	require.NoError(t, err)
	require.EqualValues(t, 3000, stats.Succeeded)
	require.EqualValues(t, 3000, c.calls.Load())
	require.Zero(t, old.Load())
	require.Less(t, late.Load(), int32(4))
	_, items := c.stored()
	require.Len(t, items, 3000)
}

func TestARunOnAServerIsNotStartedAsAnotherJob(t *testing.T) {
	c := newCluster(t, 1)
	c.call = time.Second
	run := c.start(100, dmaptemporal.Settings{MaxConcurrency: 10})
	_, err := c.squares.Start(t.Context(), c.client, "squares", "r", params{200}, dmaptemporal.Settings{})
	require.ErrorIs(t, err, dmap.ErrSpecChanged)
	require.ErrorContains(t, err, "other parameters: Open follows it")
	other := dmaptemporal.Define("squares/v2", func(context.Context, params) (job dmaptemporal.Job[int, int], err error) { return job, nil })
	_, err = other.Start(t.Context(), c.client, "squares", "r", params{100}, dmaptemporal.Settings{})
	require.ErrorIs(t, err, dmap.ErrSpecChanged)
	require.ErrorContains(t, err, `runs as map "squares/v1", not "squares/v2"`)
	ctx, leave := context.WithCancel(t.Context())
	same, err := c.squares.Start(ctx, c.client, "squares", "r", params{100}, dmaptemporal.Settings{})
	require.NoError(t, err)
	leave()
	<-same.Done()
	run.Cancel(nil)
	_, err = run.Wait()
	require.ErrorIs(t, err, dmap.ErrCanceled)
	_, err = c.squares.Start(t.Context(), c.client, "squares", "r", params{200}, dmaptemporal.Settings{})
	require.NoError(t, err, "nothing runs")
}
