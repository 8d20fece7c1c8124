// Command jsonlines maps the lines of a gzipped JSON lines file, then the lines of all such files
// under a prefix.
//
//	go run ./examples/howto/jsonlines
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// Event is one line.
type Event struct {
	User  string `json:"user"`
	Bytes int64  `json:"bytes"`
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Print(err)
		os.Exit(dmap.ExitCode(err))
	}
}

func run(ctx context.Context, w io.Writer) error {
	bucket := memblob.OpenBucket(nil) // or blob.OpenBucket(ctx, "s3://...")
	defer bucket.Close()
	if err := writeEvents(ctx, bucket); err != nil {
		return err
	}
	oneFile := source.JSONLines[Event](bucket, "events/monday.jsonl.gz")
	if err := sum(ctx, w, "monday", oneFile); err != nil {
		return err
	}
	allFiles := source.Flatten(source.Objects(bucket, "events/"), func(o source.Object) dmap.Source[Event] {
		return source.JSONLinesOf[Event](o)
	})
	return sum(ctx, w, "all days", allFiles)
}

func sum(ctx context.Context, w io.Writer, name string, events dmap.Source[Event]) error {
	var sizes sink.Memory[int64]
	stats, err := dmap.Map(ctx, events, func(_ context.Context, e Event) (int64, error) { return e.Bytes, nil },
		dmap.Options{Tolerance: dmap.Tolerance{Count: 10}}, &sizes)
	for _, failure := range sizes.Failed() {
		fmt.Fprintf(w, "%s: %v\n", name, failure.Err)
	}
	var total int64
	for _, size := range sizes.Values() {
		total += size
	}
	fmt.Fprintf(w, "%s: %d lines, %d failed, %d bytes\n", name, stats.Read, stats.Failed, total)
	return err
}

// writeEvents writes two files of 1,000 lines each. One line of each is cut off in the middle.
func writeEvents(ctx context.Context, bucket *blob.Bucket) error {
	for _, day := range []string{"monday", "tuesday"} {
		var object bytes.Buffer
		lines := gzip.NewWriter(&object)
		for i := range 1000 {
			if i == 500 {
				fmt.Fprintln(lines, `{"user": "u5`)
				continue
			}
			fmt.Fprintf(lines, `{"user": "u%d", "bytes": %d}`+"\n", i%10, i)
		}
		if err := lines.Close(); err != nil {
			return err
		}
		if err := bucket.WriteAll(ctx, "events/"+day+".jsonl.gz", object.Bytes(), nil); err != nil {
			return err
		}
	}
	return nil
}
