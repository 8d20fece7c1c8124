// Command tolerance stops a run at the eleventh failed item, and shows what the error and the
// counts then say.
//
//	go run ./examples/howto/tolerance
//	go run ./examples/howto/tolerance -count 100     # enough: the run succeeds
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

func main() {
	count := flag.Int64("count", 10, "`items` that may fail; the next one fails the run")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *count); err != nil {
		log.Print(err)
		os.Exit(dmap.ExitCode(err))
	}
}

func run(ctx context.Context, w io.Writer, count int64) error {
	stats, err := dmap.Map(ctx, source.Slice(numbers(1000)), check, dmap.Options{
		MaxConcurrency: 4,
		Tolerance:      dmap.Tolerance{Count: count}, // and Percentage: either limit alone fails the run
	})
	fmt.Fprintf(w, "%d succeeded, %d failed, %d read and not finished\n", stats.Succeeded, stats.Failed, stats.Pending)

	var exceeded *dmap.ToleranceError
	if errors.As(err, &exceeded) {
		fmt.Fprintf(w, "stopped after %d failures, allowed: %v\n", exceeded.Failed, exceeded.Tolerance)
		fmt.Fprintf(w, "the first failures, of %d kept:\n", len(exceeded.First))
		for _, failure := range exceeded.First[:min(3, len(exceeded.First))] {
			fmt.Fprintf(w, "  %v\n", failure)
		}
	}
	return err
}

// check fails for every twentieth number.
func check(_ context.Context, n int) (int, error) {
	if n%20 == 0 {
		return 0, fmt.Errorf("%d is divisible by 20", n)
	}
	return n, nil
}

func numbers(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i + 1
	}
	return list
}
