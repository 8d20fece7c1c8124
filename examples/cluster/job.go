package main

import (
	"context"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob" // file://

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptemporal"
	"github.com/go-dmap/dmap/examples/loansim/loan"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

const (
	queue     = "loans" // of the workers
	runs      = "runs/" // prefix of results
	inflation = 2       // points above the expected two percent
)

// params say what a run works on. Every worker gets them.
type params struct {
	Folder string        // of applications and results; on a real cluster: the URL of a bucket
	Takes  time.Duration // of a call
}

// loans is the job as every worker builds it.
var loans = dmaptemporal.Define("loans/v1", func(ctx context.Context, p params) (job dmaptemporal.Job[source.Object, loan.Verdict], err error) {
	applications, err := openFolder(ctx, p.Folder)
	if err != nil {
		return job, err
	}
	results, err := openFolder(ctx, filepath.Join(p.Folder, "results"))
	if err != nil {
		return job, err
	}
	job.Source = source.Objects(applications, "applications/")
	job.Sink = sink.Bucket[loan.Verdict](results, runs)
	job.Options = dmap.Options{Retry: dmap.Retry{MaxAttempts: 3}, DrainTimeout: 10 * time.Second}
	job.Call = func(ctx context.Context, o source.Object) (loan.Verdict, error) {
		select {
		case <-time.After(p.Takes):
		case <-ctx.Done():
			return loan.Verdict{}, ctx.Err()
		}
		return assess(ctx, o)
	}
	return job, nil
})

func assess(ctx context.Context, o source.Object) (loan.Verdict, error) {
	return loan.Assess(ctx, o, inflation)
}

func openFolder(ctx context.Context, path string) (*blob.Bucket, error) {
	options := url.Values{"metadata": {"skip"}, "no_tmp_dir": {"1"}, "create_dir": {"1"}}
	folder := url.URL{Scheme: "file", Path: "/" + strings.TrimPrefix(filepath.ToSlash(path), "/"), RawQuery: options.Encode()}
	return blob.OpenBucket(ctx, folder.String())
}
