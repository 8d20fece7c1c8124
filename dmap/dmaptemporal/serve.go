package dmaptemporal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Limits of a worker.
const (
	usualLeases = 100
	mostLeases  = 1000             // of a run, and so of its worker
	stepsAtOnce = 100              // activities that are not leases: they wait for the bucket
	pollEvery   = time.Second      // between requests for the orders, which also carry the end of a run
	beatEvery   = 10 * time.Second // between heartbeats, unless the settings of the run say less
	// leastBeat is the least time between heartbeats, and that which the request of each may take.
	leastBeat     = 3 * time.Second
	stopsWithin   = 10 * time.Minute // a worker that stops: its leases finish all items read
	stepsPolled   = 2
	pollersOfWork = 4
)

// Worker says how much one process takes on.
type Worker struct {
	// Leases is the largest number of leases that the process has at once, of all its runs, up to
	// 1,000. 0: 100. So it makes at most Leases times Settings.PerLease calls of a run at once,
	// however few workers there are. Further leases wait until a process has room: their slots are
	// unused meanwhile.
	Leases int
}

// Serve works on runs of these maps that are started in a task queue, until ctx ends. Then it takes
// no more leases, and those that it has finish the items that they have read, for at most ten
// minutes. A process may be killed before: then other workers continue its leases. Connect SIGTERM
// by signal.NotifyContext. The error is that of the connection, or of the maps.
//
// Leases come from a task queue of their own, which is named as queue with "/leases" after it.
func Serve(ctx context.Context, c client.Client, queue string, maps ...Registered) error {
	return Worker{}.Serve(ctx, c, queue, maps...)
}

// Serve is the function Serve with these limits.
func (w Worker) Serve(ctx context.Context, c client.Client, queue string, maps ...Registered) error {
	if ctx == nil {
		return errNoContext
	}
	if w.Leases < 0 || w.Leases > mostLeases {
		return fmt.Errorf("dmaptemporal: Worker.Leases %d: want 1 to %d, or 0 for %d", w.Leases, mostLeases, usualLeases)
	}
	all, err := workOf(maps)
	if err != nil {
		return err
	}
	all.leases = cmp.Or(w.Leases, usualLeases)
	broken := make(chan error, 1)
	steps, leases := workers(plain(c), queue, all, func(err error) {
		select {
		case broken <- err:
		default: // there is one already
		}
	})
	if err := steps.Start(); err != nil {
		return fmt.Errorf("dmaptemporal: %w", err)
	}
	if err := leases.Start(); err != nil {
		steps.Stop()
		return fmt.Errorf("dmaptemporal: %w", err)
	}
	defer func() {
		var stopping sync.WaitGroup
		stopping.Go(steps.Stop)
		stopping.Go(leases.Stop)
		stopping.Wait()
	}()
	select {
	case <-ctx.Done():
		return nil
	case err := <-broken:
		return fmt.Errorf("dmaptemporal: the worker has stopped: %w", err)
	}
}

// workers returns the workers of both task queues. broken gets errors that end one of them.
func workers(c client.Client, queue string, all *work, broken func(error)) (steps, leases worker.Worker) {
	options := worker.Options{
		OnFatalError:                       broken,
		MaxConcurrentActivityExecutionSize: stepsAtOnce,
		MaxConcurrentActivityTaskPollers:   stepsPolled,
		MaxConcurrentWorkflowTaskPollers:   stepsPolled,
		MaxHeartbeatThrottleInterval:       leastBeat,
		DefaultHeartbeatThrottleInterval:   leastBeat,
		WorkerStopTimeout:                  stopsWithin,
	}
	steps = worker.New(c, queue, options)
	steps.RegisterWorkflowWithOptions(coordinate, workflow.RegisterOptions{Name: workflowName})
	registerSteps(steps, all)
	options.MaxConcurrentActivityExecutionSize = all.leases
	options.MaxConcurrentActivityTaskPollers = min(pollersOfWork, all.leases)
	options.DisableWorkflowWorker = true
	leases = worker.New(c, leasesOf(queue), options)
	registerLeases(leases, all)
	return steps, leases
}

// registerSteps gives activities the names by which the workflow calls them.
func registerSteps(r worker.ActivityRegistry, a activities) {
	for name, f := range map[string]any{
		beginName: a.Begin, planName: a.Plan, absorbName: a.Absorb, ordersName: a.Orders, finishName: a.Finish,
	} {
		r.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
}

func registerLeases(r worker.ActivityRegistry, a activities) {
	r.RegisterActivityWithOptions(a.Lease, activity.RegisterOptions{Name: leaseName})
}

// workOf returns the activities of runs of these maps.
func workOf(maps []Registered) (*work, error) {
	definitions := map[string]opener{}
	for _, m := range maps {
		name, open := m.definition()
		if name == "" || open == nil {
			return nil, errors.New("dmaptemporal: a Map has no name: make it with Define")
		}
		if definitions[name] != nil {
			return nil, fmt.Errorf("dmaptemporal: two maps have the name %q", name)
		}
		definitions[name] = open
	}
	if len(definitions) == 0 {
		return nil, errors.New("dmaptemporal: Serve without a Map")
	}
	return newWork(definitions), nil
}
