// Command estimate calls a function for a sample of the items, and tells what the whole run would
// take.
//
//	go run ./examples/howto/estimate
//	go run ./examples/howto/estimate -n 2000    # narrower ranges
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"math/rand/v2"
	"os"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

func main() {
	n := flag.Int("n", 400, "`items` of the sample")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *n); err != nil {
		log.Print(err)
		os.Exit(dmap.ExitCode(err))
	}
}

func run(ctx context.Context, w io.Writer, n int) error {
	src := source.Slice(make([]struct{}, 100_000))
	opts := dmap.Options{RunID: "2026-11-26", MaxConcurrency: 50, Retry: dmap.Retry{MaxAttempts: 3}}

	estimated, err := dmap.Estimate(ctx, src, work, opts, dmap.Sampling{
		Items:       n,
		Concurrency: []int{50, 100, 200},
		Seed:        1,
	})
	fmt.Fprint(w, estimated)
	var little *dmap.SampleError
	if errors.As(err, &little) {
		fmt.Fprintf(w, "the %s is unknown: %v\n", little.What, little.Err)
	}
	return err
}

// work takes some milliseconds, in rare cases many.
func work(ctx context.Context, _ struct{}) (struct{}, error) {
	took := 5 * math.Exp(0.7*rand.NormFloat64())
	select {
	case <-time.After(time.Duration(took * float64(time.Millisecond))):
		return struct{}{}, nil
	case <-ctx.Done():
		return struct{}{}, ctx.Err()
	}
}
