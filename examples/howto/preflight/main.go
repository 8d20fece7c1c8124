// Command preflight tries everything that a run needs, and runs it only if nothing is wrong.
//
//	go run ./examples/howto/preflight            # in a folder of its own
//	go run ./examples/howto/preflight -dry-run   # tries only
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

type order struct {
	ID     string  `csv:"id"`
	Amount float64 `csv:"amount"`
}

func main() {
	dryRun := flag.Bool("dry-run", false, "try everything, run nothing")
	flag.Parse()
	dir, err := os.MkdirTemp("", "preflight")
	if err != nil {
		log.Fatal(err)
	}
	err = run(context.Background(), os.Stdout, dir, *dryRun)
	if err != nil {
		log.Print(err)
	}
	_ = os.RemoveAll(dir)
	os.Exit(dmap.ExitCode(err))
}

func run(ctx context.Context, w io.Writer, dir string, dryRun bool) error {
	bucket, err := blob.OpenBucket(ctx, "file://"+dir+"?metadata=skip&no_tmp_dir=1")
	if err != nil {
		return err
	}
	defer bucket.Close()
	if err := bucket.WriteAll(ctx, "orders.csv", []byte("id,amount\na,1.5\nb,2\n"), nil); err != nil {
		return err
	}
	return job(ctx, w, bucket, dryRun)
}

func job(ctx context.Context, w io.Writer, bucket *blob.Bucket, dryRun bool) error {
	orders := source.CSV(bucket, "orders.csv", source.Into[order])
	out := sink.Bucket[float64](bucket, "runs")
	opts := dmap.Options{RunID: "2026-11-26", Retry: dmap.Retry{MaxAttempts: 3}}

	ready, cancel := context.WithTimeout(ctx, 20*time.Second)
	report, err := dmap.Preflight(ready, orders, amount, opts, out)
	cancel()
	fmt.Fprint(w, report)
	if err != nil || dryRun {
		return err
	}
	stats, err := dmap.Map(ctx, orders, amount, opts, out)
	fmt.Fprintf(w, "%d of %d succeeded\n", stats.Succeeded, stats.Read)
	return err
}

func amount(_ context.Context, o order) (float64, error) { return o.Amount, nil }

// refused are the operations that the store refuses or does not answer.
func refused(err error) (ops []string) {
	var all interface{ Unwrap() []error }
	if !errors.As(err, &all) {
		return nil
	}
	for _, one := range all.Unwrap() {
		var problem *dmap.PreflightError
		if errors.As(one, &problem) {
			ops = append(ops, problem.Check.Op)
		}
	}
	return ops
}
