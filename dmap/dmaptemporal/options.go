package dmaptemporal

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

const (
	heartbeatTimeout = 30 * time.Second
	longest          = 365 * 24 * time.Hour // of a lease: its calls may take long
	maxEvents        = 30_000               // of a history, before the workflow continues as new
)

// leasesOf is the task queue of the leases of runs in a queue. Steps have another one: they need a
// worker at once, also when all workers have as many leases as they take.
func leasesOf(queue string) string { return queue + "/leases" }

// leaseOptions are those of leases. A lease whose worker is lost runs again as another attempt,
// which has its own lane. So Temporal does not repeat the activity. A server may start activities
// eagerly on the worker that has the workflow: that one would get most leases.
func leaseOptions(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:             leasesOf(workflow.GetInfo(ctx).TaskQueueName),
		StartToCloseTimeout:   longest,
		HeartbeatTimeout:      heartbeatTimeout,
		WaitForCancellation:   true,
		RetryPolicy:           &temporal.RetryPolicy{MaximumAttempts: 1},
		DisableEagerExecution: true,
	})
}

// taskOptions are those of all other activities: they are repeated until they succeed, or fail for
// good.
func taskOptions(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 24 * time.Hour,
		HeartbeatTimeout:    heartbeatTimeout,
		WaitForCancellation: true,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:        time.Second,
			BackoffCoefficient:     2,
			MaximumInterval:        time.Minute,
			NonRetryableErrorTypes: []string{errFenced, errFatal, errChanged, errOpen},
		},
	})
}
