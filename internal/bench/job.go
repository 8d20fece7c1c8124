package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"golang.org/x/sync/errgroup"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/examples/loansim/loan"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

const inflation = 2

const byHandName = "errgroup, keys known"

// job does the work of examples/loansim: read each object of a folder, decode it, simulate it,
// write JSON lines.
var job = table{
	name:    "job",
	what:    "objects of about 1 KiB in a folder -> decode -> simulate -> JSON lines of successes and of failures",
	n:       20_000,
	prepare: makeApplications,
	cases: []benchCase{
		{name: byHandName, run: byHand(knownKeys)},
		{name: "errgroup, Bucket.List", run: byHand(listedKeys), most: 100_000},
		{name: "tuned by hand, own walk", run: tunedByHand},
		{name: "dmap.Map", run: mapItems(), ours: true},
		{name: "dmap.Map, observed", run: mapObserved, ours: true},
		{name: "dmap.MapBatch, 400", run: mapBatches, ours: true},
	},
	targets: []target{
		{of: "dmap.Map", figure: cpuMicros, against: byHandName, most: 1.0},
		{of: "dmap.MapBatch, 400", figure: cpuMicros, against: byHandName, most: 1.0},
		{of: "dmap.Map", figure: peakMiB, most: 64, note: "for any number of items"},
		{of: "dmap.MapBatch, 400", figure: peakMiB, most: 64, note: "for any number of items"},
	},
}

func makeApplications(ctx context.Context, dir string, n int64) error {
	group, ctx := errgroup.WithContext(ctx)
	workers := int64(2 * runtime.GOMAXPROCS(0))
	for w := range workers {
		group.Go(func() error {
			for i := w; i < n && ctx.Err() == nil; i += workers {
				data, err := loan.Encode(i)
				if err != nil {
					return err
				}
				if err := writeFile(filepath.Join(dir, filepath.FromSlash(loan.Key(i))), data); err != nil {
					return err
				}
			}
			return context.Cause(ctx)
		})
	}
	return group.Wait()
}

func writeFile(name string, data []byte) error {
	err := os.WriteFile(name, data, 0o644)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}

func openFolder(dir string) (*blob.Bucket, error) {
	return fileblob.OpenBucket(dir, &fileblob.Options{NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
}

func mapItems(opts ...sink.BucketOptions) func(context.Context, workload) (outcome, error) {
	return func(ctx context.Context, work workload) (outcome, error) {
		in, results, done, err := openBuckets(work, opts...)
		if err != nil {
			return outcome{}, err
		}
		defer done()
		return counted(dmap.Map(ctx, source.Objects(in, ""), assess, options(work), results))
	}
}

// mapObserved is mapItems with an observer.
func mapObserved(ctx context.Context, work workload) (outcome, error) {
	in, results, done, err := openBuckets(work)
	if err != nil {
		return outcome{}, err
	}
	defer done()
	return observed(options(work), func(opts dmap.Options) (dmap.Stats, error) {
		return dmap.Map(ctx, source.Objects(in, ""), assess, opts, results)
	})
}

func mapBatches(ctx context.Context, work workload) (outcome, error) {
	in, results, done, err := openBuckets(work)
	if err != nil {
		return outcome{}, err
	}
	defer done()
	return counted(dmap.MapBatch(ctx, source.Objects(in, ""), batch.Limits{Items: 400},
		func(ctx context.Context, items []dmap.Item[source.Object]) ([]loan.Verdict, error) {
			verdicts, failed := make([]loan.Verdict, len(items)), batch.Errors{}
			for i, item := range items {
				var err error
				if verdicts[i], err = assess(ctx, item.Value); err != nil {
					failed[i] = err
				}
			}
			return verdicts, failed.Err()
		}, options(work), results))
}

func openBuckets(work workload, opts ...sink.BucketOptions) (
	in *blob.Bucket, results dmap.Sink[loan.Verdict], done func(), err error,
) {
	if in, err = openFolder(work.Dir); err != nil {
		return nil, nil, nil, err
	}
	out, err := openFolder(work.Scratch)
	if err != nil {
		in.Close()
		return nil, nil, nil, err
	}
	return in, sink.Bucket[loan.Verdict](out, "runs/", opts...), func() { in.Close(); out.Close() }, nil
}

func options(work workload) dmap.Options {
	return dmap.Options{MaxConcurrency: work.Concurrency, Tolerance: dmap.Tolerance{Percentage: 100}}
}

func assess(ctx context.Context, o source.Object) (loan.Verdict, error) {
	data, err := o.ReadAll(ctx)
	if err != nil {
		return loan.Verdict{}, err
	}
	return decide(o.Key, data)
}

// decide decodes and simulates one application. All cases share it.
func decide(key string, data []byte) (loan.Verdict, error) {
	var app loan.Application
	if err := json.Unmarshal(data, &app); err != nil {
		return loan.Verdict{}, fmt.Errorf("%s: %w", key, err)
	}
	return loan.Simulate(app, inflation)
}

func counted(s dmap.Stats, err error) (outcome, error) {
	return outcome{Succeeded: s.Succeeded, Failed: s.Failed}, err
}
