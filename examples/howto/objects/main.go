// Command objects reads every JSON object under a prefix and sums the amounts in them.
//
//	go run ./examples/howto/objects
package main

import (
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

// Invoice is the content of one object.
type Invoice struct {
	Cents int64 `json:"cents"`
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
	if err := writeInvoices(ctx, bucket); err != nil {
		return err
	}
	// The slash at the end of the prefix matters: "2026" would also list "2026-drafts/".
	invoices := source.Objects(bucket, "2026/", source.ObjectsOptions{Glob: "**/*.json"})
	var amounts sink.Memory[int64]
	stats, err := dmap.Map(ctx, invoices, amount, dmap.Options{
		MaxConcurrency: 100,
		Tolerance:      dmap.Tolerance{Count: 5},
	}, &amounts)

	var total int64
	for _, cents := range amounts.Values() {
		total += cents
	}
	for _, failure := range amounts.Failed() {
		fmt.Fprintf(w, "%s: %v\n", failure.ID(), failure.Err)
	}
	fmt.Fprintf(w, "%d objects listed, %d skipped, %d read, %d failed; %d cents in all\n",
		stats.Read, stats.Skipped, stats.Succeeded, stats.Failed, total)
	return err
}

// amount is called once per object, by up to 100 goroutines at once.
func amount(ctx context.Context, o source.Object) (int64, error) {
	var inv Invoice
	err := o.DecodeJSON(ctx, &inv) // or o.ReadAll(ctx), or o.Open(ctx) for a stream
	return inv.Cents, err
}

func writeInvoices(ctx context.Context, bucket *blob.Bucket) error {
	objects := map[string]string{
		"2026/":                   "", // a folder marker, as web consoles create them
		"2026/notes.txt":          "not an invoice",
		"2026/11/broken.json":     `{"cents": `,
		"2026-drafts/0000.json":   `{"cents": 1000000}`,
		"2026/11/24/invoice.json": `{"cents": 250}`,
	}
	for i := range 100 {
		objects[fmt.Sprintf("2026/11/%04d.json", i)] = fmt.Sprintf(`{"cents": %d}`, i)
	}
	for key, content := range objects {
		if err := bucket.WriteAll(ctx, key, []byte(content), nil); err != nil {
			return err
		}
	}
	return nil
}
