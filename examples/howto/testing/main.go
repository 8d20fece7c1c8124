// Command testing counts words per object. Its tests show how to test a job with buckets in memory,
// and with buckets that fail: see main_test.go.
//
//	go test ./examples/howto/testing
//	go run ./examples/howto/testing
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

func main() {
	ctx := context.Background()
	bucket := memblob.OpenBucket(nil) // or blob.OpenBucket(ctx, "s3://...")
	defer bucket.Close()
	if err := bucket.WriteAll(ctx, "texts/a", []byte("to be or not to be"), nil); err != nil {
		log.Fatal(err)
	}
	var words sink.Memory[int]
	stats, err := countWords(ctx, bucket, &words, 100)
	fmt.Println(stats.Succeeded, "objects,", words.Values(), "words")
	if err != nil {
		log.Fatal(err)
	}
}

// countWords is the job: it takes its buckets and sinks as parameters, so that a test can give it
// others.
func countWords(ctx context.Context, in *blob.Bucket, results dmap.Sink[int], concurrency int) (dmap.Stats, error) {
	return dmap.Map(ctx, source.Objects(in, "texts/"), count, dmap.Options{
		MaxConcurrency: concurrency,
		Retry:          dmap.Retry{MaxAttempts: 3, Initial: time.Millisecond},
		Tolerance:      dmap.Tolerance{Count: 1},
	}, results)
}

// count is the function that is mapped.
func count(ctx context.Context, o source.Object) (int, error) {
	text, err := o.ReadAll(ctx)
	return len(bytes.Fields(text)), err
}
