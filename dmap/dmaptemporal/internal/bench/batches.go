package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"gocloud.dev/blob"
	"golang.org/x/sync/errgroup"
)

// A plain loop, as people write it: a workflow with one activity for each batch of items, which
// writes an object with the results.

const (
	batchItems    = 400
	batchesName   = "batches"
	batchActivity = "batch"
)

type batchCall struct{ From, To int }

func registerBatches(w worker.Registry, j job, bucket *blob.Bucket) {
	w.RegisterWorkflowWithOptions(batches, workflow.RegisterOptions{Name: batchesName})
	w.RegisterActivityWithOptions(func(ctx context.Context, call batchCall) (int, error) {
		return j.batch(ctx, bucket, call)
	}, activity.RegisterOptions{Name: batchActivity})
}

// batches keeps as many batches in flight as the job has slots for.
func batches(ctx workflow.Context, j job) (done int, err error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Hour})
	free := workflow.NewSemaphore(ctx, int64(max(1, j.Slots/j.Each)))
	group := workflow.NewWaitGroup(ctx)
	for from := 0; from < j.Items; from += batchItems {
		if err := free.Acquire(ctx, 1); err != nil {
			return 0, err
		}
		group.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer group.Done()
			defer free.Release(1)
			n := 0
			if e := workflow.ExecuteActivity(ctx, batchActivity, batchCall{from, min(from+batchItems, j.Items)}).Get(ctx, &n); e != nil {
				err = e
			}
			done += n
		})
	}
	group.Wait(ctx)
	return done, err
}

func (j job) batch(ctx context.Context, bucket *blob.Bucket, call batchCall) (int, error) {
	results := make([]int, call.To-call.From)
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(j.Each)
	for i := call.From; i < call.To; i++ {
		group.Go(func() (err error) {
			results[i-call.From], err = j.call(inner, i)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	for i, r := range results {
		if err := encoder.Encode(struct{ Item, Result int }{call.From + i, r}); err != nil {
			return 0, err
		}
	}
	return len(results), bucket.WriteAll(ctx, fmt.Sprintf("batches/%d", call.From), out.Bytes(), nil)
}

// runBatches runs the job as batches.
func runBatches(ctx context.Context, c client.Client, j job, id string) error {
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: queue}, batchesName, j)
	if err != nil {
		return err
	}
	done := 0
	if err := run.Get(ctx, &done); err != nil {
		return err
	}
	if done != j.Items {
		return fmt.Errorf("%d of %d items", done, j.Items)
	}
	return nil
}
