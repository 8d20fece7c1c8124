package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptemporal"
	"github.com/go-dmap/dmap/sink"
)

// childVariable has the orders for a process that the command starts.
const childVariable = "DMAP_BENCH_CHILD"

// orders are those of a child.
type orders struct {
	Kind   string // worker, batches or local
	Job    job
	Folder string
	Server string // address
}

// child does what childVariable says, until its standard input ends.
func child() error {
	var o orders
	if err := json.Unmarshal([]byte(os.Getenv(childVariable)), &o); err != nil {
		return err
	}
	bucket, err := blob.OpenBucket(context.Background(), folderURL(o.Folder))
	if err != nil {
		return err
	}
	defer bucket.Close()
	if o.Kind == "local" {
		return local(o.Job, bucket)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	c, err := client.Dial(client.Options{HostPort: o.Server, Logger: quiet{}})
	if err != nil {
		return err
	}
	defer c.Close()
	if o.Kind == "batches" {
		return serveBatches(ctx, c, o.Job, bucket)
	}
	return dmaptemporal.Serve(ctx, c, queue, o.Job.define(bucket))
}

func folderURL(folder string) string {
	return "file://" + folder + "?create_dir=1&metadata=skip&no_tmp_dir=1"
}

// local runs the job in this process and prints its CPU time and its wall time, in nanoseconds.
func local(j job, bucket *blob.Bucket) error {
	before, began := ownCPU(), time.Now()
	src := j.source(bucket) // each worker makes it, too
	_, err := dmap.Map(context.Background(), src, j.call, dmap.Options{RunID: "local", MaxConcurrency: j.Slots}, sink.Bucket[int](bucket, resultsKey))
	fmt.Println(int64(ownCPU()-before), int64(time.Since(began)))
	return err
}

func ownCPU() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func serveBatches(ctx context.Context, c client.Client, j job, bucket *blob.Bucket) error {
	w := worker.New(c, queue, worker.Options{MaxConcurrentActivityExecutionSize: 100, MaxConcurrentActivityTaskPollers: 4})
	registerBatches(w, j, bucket)
	if err := w.Start(); err != nil {
		return err
	}
	<-ctx.Done()
	w.Stop()
	return nil
}

// quiet is a logger of nothing.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
