package dmaptemporal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Limits of a worker.
const (
	leasesAtOnce = 100              // in one worker; each makes calls as its run allows
	pollEvery    = time.Second      // between requests for the orders, which also carry the end of a run
	beatEvery    = 10 * time.Second // between heartbeats, unless the settings of the run say less
	// leastBeat is the least time between heartbeats, and that which the request of each may take.
	leastBeat     = 3 * time.Second
	stopsWithin   = 10 * time.Minute // a worker that stops: its leases finish all items read
	stepsPolled   = 2
	pollersOfWork = 4
)

// Serve works on runs of these maps that are started in a task queue, until ctx ends. Then it takes
// no more leases, and those that it has finish the items that they have read, for at most ten
// minutes. A process may be killed before: then other workers continue its leases. Connect SIGTERM
// by signal.NotifyContext. The error is that of the connection, or of the maps.
func Serve(ctx context.Context, c client.Client, queue string, maps ...Registered) error {
	if ctx == nil {
		return errNoContext
	}
	w, err := newWorker(maps)
	if err != nil {
		return err
	}
	broken := make(chan error, 1)
	served := worker.New(c, queue, worker.Options{
		OnFatalError: func(err error) {
			select {
			case broken <- err:
			default: // there is one already
			}
		},
		MaxConcurrentActivityExecutionSize: leasesAtOnce,
		MaxConcurrentActivityTaskPollers:   pollersOfWork,
		MaxConcurrentWorkflowTaskPollers:   stepsPolled,
		MaxHeartbeatThrottleInterval:       leastBeat,
		DefaultHeartbeatThrottleInterval:   leastBeat,
		WorkerStopTimeout:                  stopsWithin,
	})
	served.RegisterWorkflowWithOptions(coordinate, workflow.RegisterOptions{Name: workflowName})
	register(served, w)
	if err := served.Start(); err != nil {
		return fmt.Errorf("dmaptemporal: %w", err)
	}
	defer served.Stop()
	select {
	case <-ctx.Done():
		return nil
	case err := <-broken:
		return fmt.Errorf("dmaptemporal: the worker has stopped: %w", err)
	}
}

// register gives activities the names by which the workflow calls them.
func register(r worker.ActivityRegistry, a activities) {
	for name, f := range map[string]any{
		beginName: a.Begin, planName: a.Plan, leaseName: a.Lease, absorbName: a.Absorb, ordersName: a.Orders, finishName: a.Finish,
	} {
		r.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
}

func newWorker(maps []Registered) (*work, error) {
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
