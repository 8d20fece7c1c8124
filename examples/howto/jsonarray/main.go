// Command jsonarray maps the elements of an object that is one large JSON array, without holding
// the array in memory.
//
//	go run ./examples/howto/jsonarray
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// Loan is one element of the array.
type Loan struct {
	ID   int     `json:"id"`
	Rate float64 `json:"rate"`
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
	if err := writeLoans(ctx, bucket); err != nil {
		return err
	}
	var rates sink.Memory[float64]
	stats, err := dmap.Map(ctx, source.JSONArray[Loan](bucket, "loans.json"),
		func(_ context.Context, l Loan) (float64, error) { return l.Rate, nil },
		dmap.Options{Tolerance: dmap.Tolerance{Count: 1}}, &rates)
	for _, failure := range rates.Failed() {
		fmt.Fprintln(w, failure.Err)
	}
	fmt.Fprintf(w, "%d elements: %d succeeded, %d failed\n", stats.Read, stats.Succeeded, stats.Failed)
	return err
}

// writeLoans writes an array of 10,000 loans. One of them has a text where a number must be.
func writeLoans(ctx context.Context, bucket *blob.Bucket) error {
	var array strings.Builder
	for i := range 10_000 {
		separator := ",\n"
		if i == 0 {
			separator = "["
		}
		rate := fmt.Sprintf("%d.5", i%9)
		if i == 7000 {
			rate = `"high"`
		}
		fmt.Fprintf(&array, `%s{"id": %d, "rate": %s}`, separator, i, rate)
	}
	array.WriteString("]\n")
	return bucket.WriteAll(ctx, "loans.json", []byte(array.String()), nil)
}
