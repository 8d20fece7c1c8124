package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"sync"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
	"github.com/go-dmap/dmap/source/cloud/s3"
)

const serialListing = "1 lister"

// listings counts requests. timesFull relates them to the number of full pages, the minimum.
var (
	listings  = countOf("requests")
	timesFull = figure{"x full pages", 2, false, func(m measured, w workload) float64 {
		return m.Counts["requests"] / float64((w.N+maxPage-1)/maxPage)
	}}
	firstItem = countOf("first ms")
)

// listing measures listing a bucket: keys in the shapes of real buckets, on an S3 server in
// another process that waits before each page of 1,000 keys. Each shape and latency is a table, so
// that it can be run alone.
func listing() []table {
	var tables []table
	for _, latency := range []time.Duration{50 * time.Millisecond, 200 * time.Millisecond} {
		for _, s := range shapes {
			tables = append(tables, listingOf(s, latency))
		}
	}
	return tables
}

func listingOf(s shape, latency time.Duration) table {
	t := table{
		name: fmt.Sprintf("listing/%s-%dms", s.name, latency.Milliseconds()),
		what: fmt.Sprintf("keys listed through s3blob, %s a page, objects not read: %s", latency, s.name),
		unit: "key", n: 200_000, rounds: 1, concurrency: 100, base: serialListing,
		figures: []figure{unitsPerSecond, wallSeconds, listings, timesFull, cpuMicros, firstItem, peakMiB},
	}
	add := func(name string, ours bool, list lister) {
		t.cases = append(t.cases, benchCase{name: name, ours: ours, run: listed(t.name, s.name, latency, list)})
	}
	if latency < 100*time.Millisecond { // otherwise left out: as slow as one lister
		add("Bucket.List", false, bucketList)
	}
	for _, n := range []int{1, 8, 16, 32} {
		name := fmt.Sprintf("%d listers", n)
		if n == 1 {
			name = serialListing
		}
		add(name, true, objectsBy(n))
	}
	faster, requests := 12.0, 1.3
	if s.skew {
		faster = 6
	}
	if s.flat {
		requests = 1.6
	}
	if latency >= 200*time.Millisecond {
		t.targets = append(t.targets, target{of: "32 listers", figure: unitsPerSecond, against: serialListing, least: faster})
	}
	t.targets = append(t.targets, target{of: "32 listers", figure: timesFull, most: requests})
	return t
}

// lister counts the objects of a bucket, and calls first when it has the first one.
type lister func(ctx context.Context, bucket *blob.Bucket, work workload, first func()) (outcome, error)

// listed starts the key server and runs list on a bucket of it.
func listed(table, shape string, latency time.Duration, list lister) func(context.Context, workload) (outcome, error) {
	return func(ctx context.Context, work workload) (out outcome, err error) {
		address, stop, err := startKeys(ctx, table, keysOf{Shape: shape, N: work.N, Latency: latency})
		if err != nil {
			return outcome{}, err
		}
		defer func() { err = errors.Join(err, stop()) }()
		bucket, err := openServed(ctx, address)
		if err != nil {
			return outcome{}, err
		}
		defer bucket.Close()
		work.start()
		began := time.Now()
		var first time.Duration
		var once sync.Once
		out, err = list(ctx, bucket, work, func() { once.Do(func() { first = time.Since(began) }) })
		work.stop()
		if err != nil {
			return outcome{}, err
		}
		requests, err := served(ctx, address)
		out.Counts = map[string]float64{"requests": requests, "first ms": float64(first) / float64(time.Millisecond)}
		return out, err
	}
}

func openServed(ctx context.Context, address string) (*blob.Bucket, error) {
	for _, setting := range [][2]string{
		{"AWS_ACCESS_KEY_ID", "any"}, {"AWS_SECRET_ACCESS_KEY", "any"}, {"AWS_EC2_METADATA_DISABLED", "true"},
	} {
		if err := os.Setenv(setting[0], setting[1]); err != nil {
			return nil, err
		}
	}
	query := url.Values{
		"region": {"us-east-1"}, "endpoint": {address}, "hostname_immutable": {"true"}, "use_path_style": {"true"},
	}
	return s3.OpenBucket(ctx, "s3://b?"+query.Encode(), s3.Options{})
}

// objectsBy lists like a user: dmap.Map over source.Objects, with a function that does nothing.
func objectsBy(listers int) lister {
	return func(ctx context.Context, bucket *blob.Bucket, work workload, first func()) (outcome, error) {
		objects := source.Objects(bucket, "", source.ObjectsOptions{Store: s3.Store(), Listers: listers})
		return counted(dmap.Map(ctx, objects, func(context.Context, source.Object) (int, error) {
			first()
			return 0, nil
		}, dmap.Options{MaxConcurrency: work.Concurrency, Tolerance: dmap.Tolerance{Percentage: 1}})) // keys that gocloud cannot read
	}
}

// bucketList lists as in gocloud's documentation, and does nothing else.
func bucketList(ctx context.Context, bucket *blob.Bucket, _ workload, first func()) (outcome, error) {
	var out outcome
	for list := bucket.List(nil); ; out.Succeeded++ {
		_, err := list.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return outcome{}, err
		}
		first()
	}
}
