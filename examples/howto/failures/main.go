// Command failures finds out of a finished run which items failed, why, and with which input.
//
//	go run ./examples/howto/failures
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"slices"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Print(err)
		os.Exit(dmap.ExitCode(err))
	}
}

func run(ctx context.Context, w io.Writer) error {
	bucket := memblob.OpenBucket(nil) // or blob.OpenBucket(ctx, "s3://...")
	defer bucket.Close()
	stats, err := dmap.Map(ctx, source.Slice(numbers(1000)), check, dmap.Options{
		Timeout:   20 * time.Millisecond,
		Tolerance: dmap.Tolerance{Percentage: 5},
	}, sink.Bucket[int](bucket, "runs/"))
	if err != nil {
		fmt.Fprintln(w, err) // a failed run has a manifest, too
	}
	return report(ctx, w, bucket, stats.RunID)
}

// report needs nothing but the bucket and the run's ID: another program can do it, days later.
func report(ctx context.Context, w io.Writer, bucket *blob.Bucket, runID string) error {
	manifest, err := results.Load(ctx, bucket, "runs/", runID)
	if err != nil {
		return err
	}
	groups, err := results.Groups(ctx, bucket, manifest) // one request
	if err != nil {
		return err
	}
	for _, g := range groups {
		fmt.Fprintf(w, "group %s: %d items, such as %s: %s\n", g.ID, g.Count, g.Samples[0].ID, g.Message)
	}
	classes := map[string]int{}
	for failure, err := range results.Failures(ctx, bucket, manifest) {
		if err != nil {
			return err
		}
		classes[failure.Class]++
		fmt.Fprintf(w, "%s, input %s, after %d attempts: %s\n", failure.ID, failure.Input, failure.Attempts, failure.Error)
	}
	for _, class := range slices.Sorted(maps.Keys(classes)) {
		fmt.Fprintf(w, "%d of class %q\n", classes[class], class)
	}
	return nil
}

// errOdd has a class of its own, by which failures are counted and chosen.
var errOdd = oddError{errors.New("an odd multiple of 125")}

type oddError struct{ error }

func (oddError) Class() string { return "odd" }

// check fails in three ways.
func check(ctx context.Context, n int) (int, error) {
	switch {
	case n == 100:
		<-ctx.Done() // until Options.Timeout
		return 0, ctx.Err()
	case n%250 == 125:
		return 0, errOdd
	case n == 200:
		panic("this costs one item, not the program")
	}
	return n, nil
}

func numbers(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}
