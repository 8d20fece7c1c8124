package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"golang.org/x/sync/errgroup"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
)

// What a lease costs the server as an activity of a workflow, and as a standalone activity that a
// process starts. Leases only wait and send heartbeats; their arguments and reports are real ones.

const (
	soloName     = "solo" // workflow and activity
	soloBeat     = 3 * time.Second
	soloLease    = 7 * time.Second
	soloAtOnce   = 20
	soloTimeout  = 30 * time.Second // of heartbeats
	soloLongest  = time.Hour
	soloIDFormat = "solo-%d-%d"
)

// soloArgument is the argument of lease n.
func soloArgument(n int) lease.Lease {
	return lease.Lease{
		Ref:    lease.Ref{Lease: int64(n), Attempt: 1, Era: 1},
		Splits: []dmap.Split{{ID: "solo", From: dmap.Cursor{Offset: int64(n) * 10_000}, To: dmap.Cursor{Offset: int64(n+1) * 10_000}}},
		Time:   soloLease, Slots: 16,
	}
}

// soloRun is the activity: a lease that only waits.
func soloRun(ctx context.Context, l lease.Lease) (lease.Report, error) {
	end := time.After(soloLease)
	tick := time.NewTicker(soloBeat)
	defer tick.Stop()
	n := journal.Counts{Read: 10_000, Taken: 10_000, Succeeded: 10_000, Calls: 10_000}
	for {
		select {
		case <-tick.C:
			activity.RecordHeartbeat(ctx, lease.Beat{Every: soloBeat})
		case <-end:
			return lease.Report{Ref: l.Ref, Reason: lease.Done, Counts: n}, nil
		}
	}
}

// soloWorkflow keeps soloAtOnce of n leases in flight.
func soloWorkflow(ctx workflow.Context, n int) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: soloLongest, HeartbeatTimeout: soloTimeout, WaitForCancellation: true, DisableEagerExecution: true,
	})
	free, group := workflow.NewSemaphore(ctx, soloAtOnce), workflow.NewWaitGroup(ctx)
	var failed error
	for i := range n {
		if err := free.Acquire(ctx, 1); err != nil {
			return err
		}
		group.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer group.Done()
			defer free.Release(1)
			var r lease.Report
			failed = errors.Join(failed, workflow.ExecuteActivity(ctx, soloName, soloArgument(i)).Get(ctx, &r))
		})
	}
	group.Wait(ctx)
	return failed
}

// inWorkflow runs n leases by a workflow.
func inWorkflow(ctx context.Context, c client.Client, round, n int) error {
	id := fmt.Sprintf(soloIDFormat, round, n)
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: queue}, soloName, n)
	if err != nil {
		return err
	}
	return run.Get(ctx, nil)
}

// alone runs n leases as standalone activities, which this process starts and waits for.
func alone(ctx context.Context, c client.Client, round, n int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(soloAtOnce)
	for i := range n {
		group.Go(func() error {
			handle, err := c.ExecuteActivity(ctx, client.StartActivityOptions{
				ID: fmt.Sprintf(soloIDFormat, round, i), TaskQueue: queue,
				StartToCloseTimeout: soloLongest, HeartbeatTimeout: soloTimeout,
			}, soloName, soloArgument(i))
			if err != nil {
				return err
			}
			var r lease.Report
			return handle.Get(ctx, &r)
		})
	}
	return group.Wait()
}

// measureStandalone prints what n leases cost in both ways.
func measureStandalone(ctx context.Context, n, rounds int, pragmas []string) (err error) {
	folder, err := os.MkdirTemp("", "dmap-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	s, err := startServer(ctx, folder, pragmas)
	if err != nil {
		return err
	}
	defer s.close()
	w := worker.New(s.client, queue, worker.Options{
		MaxConcurrentActivityTaskPollers: 4, MaxHeartbeatThrottleInterval: soloBeat, DefaultHeartbeatThrottleInterval: soloBeat,
	})
	w.RegisterWorkflowWithOptions(soloWorkflow, workflow.RegisterOptions{Name: soloName})
	w.RegisterActivityWithOptions(soloRun, activity.RegisterOptions{Name: soloName})
	if err := w.Start(); err != nil {
		return err
	}
	defer w.Stop()
	fmt.Printf("%d leases of %v, %d at once, a heartbeat each %v; ideal %v\n",
		n, soloLease, soloAtOnce, soloBeat, soloLease*time.Duration((n+soloAtOnce-1)/soloAtOnce))
	for round := range rounds {
		for _, way := range []struct {
			name string
			run  func(ctx context.Context, c client.Client, round, n int) error
		}{{"workflow", inWorkflow}, {"standalone", alone}} {
			if err := s.solo(ctx, way.name, n, func() error { return way.run(ctx, s.client, round, n) }); err != nil {
				return fmt.Errorf("%s: %w", way.name, err)
			}
		}
	}
	return nil
}

// solo prints what n leases cost that run starts.
func (s *server) solo(ctx context.Context, name string, n int, run func() error) error {
	idle, err := s.idle(ctx)
	if err != nil {
		return err
	}
	asked, err := s.requests(ctx)
	if err != nil {
		return err
	}
	cpu, err := cpuOf(s.Process.Pid)
	if err != nil {
		return err
	}
	stored, began := s.stored(), time.Now()
	if err := run(); err != nil {
		return err
	}
	wall := time.Since(began)
	after, err := cpuOf(s.Process.Pid)
	if err != nil {
		return err
	}
	total, err := s.requests(ctx)
	if err != nil {
		return err
	}
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 / float64(n) }
	used := after - cpu
	fmt.Printf("%-10s server %.1f ms a lease, %.1f raw; %d B a lease in the database; wall %.1f s; requests a lease: %s\n",
		name, each(used-time.Duration(idle*float64(wall))), each(used), (s.stored()-stored)/int64(n), wall.Seconds(), total.since(asked).each(n))
	return nil
}

// stored is the size of the database, without its write-ahead log: it grows by whole pages.
func (s *server) stored() (size int64) {
	if info, err := os.Stat(s.database); err == nil {
		size = info.Size()
	}
	return size
}
