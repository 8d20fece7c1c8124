// Command cloud sums the sizes of the objects under a prefix, in S3, Google Cloud Storage, Azure or
// a folder, with a connection for each of 1,000 calls and, where the store allows it, 32 listing
// requests at once.
//
//	go run ./examples/howto/cloud -bucket 's3://my-bucket?region=eu-central-1' -prefix in/
//	go run ./examples/howto/cloud -bucket gs://my-bucket -prefix in/
//	go run ./examples/howto/cloud -bucket azblob://my-container -prefix in/
//	go run ./examples/howto/cloud -bucket "file://$PWD/docs?metadata=skip" -prefix howto/
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
	"github.com/go-dmap/dmap/source/cloud/azure"
	"github.com/go-dmap/dmap/source/cloud/gcs"
	"github.com/go-dmap/dmap/source/cloud/s3"
)

func main() {
	bucketURL := flag.String("bucket", "", "`URL` of the bucket")
	prefix := flag.String("prefix", "", "`prefix` of the objects; end it with a slash")
	calls := flag.Int("calls", 1000, "calls at once")
	flag.Parse()
	if *bucketURL == "" {
		log.Fatal("-bucket is missing: name a URL such as s3://my-bucket?region=eu-central-1")
	}
	if err := run(context.Background(), os.Stdout, *bucketURL, *prefix, *calls); err != nil {
		log.Print(err)
		os.Exit(dmap.ExitCode(err))
	}
}

func run(ctx context.Context, w io.Writer, bucketURL, prefix string, calls int) error {
	bucket, options, err := open(ctx, bucketURL, calls)
	if err != nil {
		return err
	}
	defer bucket.Close()
	var sizes sink.Memory[int]
	stats, err := dmap.Map(ctx, source.Objects(bucket, prefix, options), func(ctx context.Context, o source.Object) (int, error) {
		data, err := o.ReadAll(ctx)
		return len(data), err
	}, dmap.Options{
		MaxConcurrency: calls,
		Retry:          dmap.Retry{MaxAttempts: 5}, // S3 answers 503 while it splits a busy prefix
	}, &sizes)
	total := 0
	for _, size := range sizes.Values() {
		total += size
	}
	fmt.Fprintf(w, "%d objects, %d bytes, %d failed\n", stats.Succeeded, total, stats.Failed)
	return err
}

// open opens the bucket with a connection for each call, and returns what its store can do.
func open(ctx context.Context, bucketURL string, calls int) (bucket *blob.Bucket, options source.ObjectsOptions, err error) {
	scheme, _, _ := strings.Cut(bucketURL, "://")
	switch scheme {
	case "s3":
		options.Store = s3.Store()
		bucket, err = s3.OpenBucket(ctx, bucketURL, s3.Options{Calls: calls})
	case "gs":
		options.Store = gcs.Store()
		bucket, err = gcs.OpenBucket(ctx, bucketURL, gcs.Options{Calls: calls})
	case "azblob":
		options.Store = azure.Store()
		bucket, err = azure.OpenBucket(ctx, bucketURL, azure.Options{Calls: calls})
	default:
		bucket, err = blob.OpenBucket(ctx, bucketURL)
	}
	if err != nil {
		return nil, options, fmt.Errorf("open %s: %w", bucketURL, err)
	}
	return bucket, options, nil
}
