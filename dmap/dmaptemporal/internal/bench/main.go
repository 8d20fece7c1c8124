// Command bench measures what a run on many machines costs: CPU of its workers and of the server,
// wall time, leases, and history. Beside it run the same items in one process, and as one activity
// for each batch of 400 items.
//
//	DMAP_TEMPORAL=<path of the command> go run ./internal/bench            all jobs
//	DMAP_TEMPORAL=<path of the command> go run ./internal/bench -rounds 1 short
//
// The server is a dev server on this machine. Workers are processes of their own. The CPU of a
// process is that between the start and the end of the run, so that the start of the processes does
// not count. The server's CPU for a lease is without that of an idle server. The rounds of all
// programs are interleaved, and medians are printed.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
)

func main() {
	if os.Getenv(childVariable) != "" {
		exit(child())
		return
	}
	rounds := flag.Int("rounds", 3, "rounds of each job")
	workers := flag.Int("workers", 3, "worker processes")
	pragmas := flag.String("sqlite", "journal_mode=wal,synchronous=normal", "pragmas of the server's database; empty: those of the server")
	scale := flag.Float64("scale", 1, "of the items of all jobs")
	standalone := flag.Int("standalone", 0, "leases as activities of a workflow, and as standalone ones; 0: the jobs")
	flag.Parse()
	settings := strings.FieldsFunc(*pragmas, func(r rune) bool { return r == ',' })
	fmt.Printf("pragmas of the server's database: %q\n", settings)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *standalone > 0 {
		exit(measureStandalone(ctx, *standalone, *rounds, settings))
		return
	}
	for _, j := range jobs() {
		if flag.NArg() > 0 && !slices.Contains(flag.Args(), j.Name) {
			continue
		}
		j.Items = int(float64(j.Items) * *scale)
		if err := measure(ctx, j, *workers, *rounds, settings); err != nil {
			exit(err)
			return
		}
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
