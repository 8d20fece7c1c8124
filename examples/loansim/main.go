// Command loansim simulates loans: how many of 500,000 fail if inflation is two points higher than
// expected? It generates a bucket of applications in a temporary folder, or opens one by URL. It
// simulates each application, writes successes and failures to a results bucket, and computes the
// ratio from these results.
//
//	go run ./examples/loansim
//	go run ./examples/loansim -n 500000 -batch 400 -concurrency 1000
//	go run ./examples/loansim -http localhost:8080  # also shows the run on a page
//	go run ./examples/loansim -in s3://loans -out gs://results -tolerance 5
//	go run ./examples/loansim -in loans -out results -run monday  # resumes after Ctrl-C or a kill
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/examples/display"
	"github.com/go-dmap/dmap/examples/loansim/loan"
	"github.com/go-dmap/dmap/internal/usage"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

const (
	applications = "applications/" // prefix in the input bucket
	runs         = "runs/"         // prefix in the results bucket

	maxConcurrency = 10_000 // the limit of dmap
)

// config holds the values of the flags.
type config struct {
	n, maxItems          int64
	in, out, run         string
	fill, keep           bool
	inflation, tolerance float64
	concurrency, batch   int
	http                 string
}

func main() {
	ctx, stop := dmap.SuspendOn(context.Background(), os.Interrupt, syscall.SIGTERM) // a second signal ends the process
	defer stop()
	err := demo(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "loansim:", err)
	}
	os.Exit(exitCode(err))
}

// usageError says which argument is wrong.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// exitCode is dmap.ExitCode, but 2 for wrong arguments and 0 for -h, as of a program that calls
// flag.Parse.
func exitCode(err error) int {
	var usage usageError
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &usage):
		return 2
	}
	return dmap.ExitCode(err)
}

// demo is the program without its process: arguments, outputs and the context are parameters.
func demo(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	cfg, err := parse(args, stderr)
	if err != nil {
		return err
	}
	show, err := display.Open(stderr, cfg.http, cfg.generated())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, show.Close()) }()
	place, err := open(ctx, cfg, show)
	if err != nil {
		return err
	}
	defer place.close()

	before := usage.Now()
	run, err := start(ctx, cfg, place)
	if err != nil {
		return err
	}
	stats, runErr := run.Wait()
	cost := usage.Now()
	cost.CPU -= before.CPU

	printStats(stdout, stats, cost)
	if errors.Is(runErr, dmap.ErrOpen) { // it was suspended, or the source or the sink failed
		fmt.Fprintf(stdout, "open:       run the same command with -run %s to resume\n", stats.RunID)
		return runErr
	}
	// A failed run has results, too, and they are printed.
	ratio, err := tally(context.WithoutCancel(ctx), place.out, stats.RunID)
	if err != nil {
		return errors.Join(runErr, err)
	}
	ratio.print(stdout, cfg.inflation)
	fmt.Fprintf(stdout, "results:    %s\n", place.results(stats.RunID))
	return runErr
}

// start starts the map. This is the code that a user of dmap writes.
func start(ctx context.Context, cfg config, p *place) (*dmap.Run, error) {
	items := source.Objects(p.in, applications, source.ObjectsOptions{Store: p.store, AllowEmpty: true})
	results := sink.Bucket[loan.Verdict](p.out, runs, sink.BucketOptions{URL: cfg.out, Express: !cfg.durable()})
	opts := dmap.Options{
		RunID:          cfg.run,
		Version:        fmt.Sprintf("inflation %v", cfg.inflation), // a resumed run must have the same inflation
		MaxConcurrency: cfg.concurrency,
		MaxItems:       cfg.maxItems,
		Tolerance:      dmap.Tolerance{Percentage: cfg.tolerance},
		Retry:          dmap.Retry{MaxAttempts: 3},
		Observer:       p.observer,
	}
	if cfg.batch == 0 {
		return dmap.Start(ctx, items, func(ctx context.Context, o source.Object) (loan.Verdict, error) {
			return loan.Assess(ctx, o, cfg.inflation)
		}, opts, results)
	}
	limits := batch.Limits{Items: cfg.batch}
	return dmap.StartBatch(ctx, items, limits, func(ctx context.Context, items []dmap.Item[source.Object]) ([]loan.Verdict, error) {
		verdicts, failed := make([]loan.Verdict, len(items)), batch.Errors{}
		for i, item := range items {
			var err error
			if verdicts[i], err = loan.Assess(ctx, item.Value, cfg.inflation); err != nil {
				failed[i] = err // fails this application, not the batch
			}
		}
		return verdicts, failed.Err()
	}, opts, results)
}

// durable reports whether both buckets survive the process, so that another process can resume the
// run.
func (c config) durable() bool { return c.in != "" && c.out != "" }

// generated is the number of applications that the program generates; 0: it is not known how many
// there are.
func (c config) generated() int64 {
	if c.in != "" && !c.fill {
		return 0
	}
	return c.n
}

func parse(args []string, stderr io.Writer) (config, error) {
	var cfg config
	flags := flag.NewFlagSet("loansim", flag.ContinueOnError)
	flags.SetOutput(stderr)
	// A larger default would be slow when the program is run repeatedly: ext4 creates files slowly
	// for five minutes after many deletions.
	flags.Int64Var(&cfg.n, "n", 20_000, "number of `applications` to generate")
	flags.StringVar(&cfg.in, "in", "", "`bucket` of applications: a URL or a folder (default: a temporary folder with generated applications)")
	flags.StringVar(&cfg.out, "out", "", "`bucket` for the results: a URL or a folder (default: a temporary folder)")
	flags.StringVar(&cfg.run, "run", "", "`ID` of the run; an unfinished run with this ID is resumed (needs -in and -out)")
	flags.BoolVar(&cfg.fill, "fill", false, "first write -n generated applications to the bucket of -in")
	flags.BoolVar(&cfg.keep, "keep", false, "keep the temporary folder of generated applications")
	flags.Float64Var(&cfg.inflation, "inflation", 2, "`points` of inflation above the expected two percent")
	flags.Float64Var(&cfg.tolerance, "tolerance", 10, "maximum `percent` of the applications that may fail")
	flags.Int64Var(&cfg.maxItems, "max-items", 0, "process only the first `N` applications; 0: all")
	flags.IntVar(&cfg.concurrency, "concurrency", 1000, "maximum number of concurrent `calls`, 1 to 10,000")
	flags.IntVar(&cfg.batch, "batch", 0, "`applications` per call; 0: one at a time, with Map instead of MapBatch")
	flags.StringVar(&cfg.http, "http", "", display.Usage)
	err := flags.Parse(args)
	if err == nil {
		err = cfg.check(flags.Args())
	}
	if err != nil {
		return config{}, usageError{err}
	}
	return cfg, nil
}

// check returns an error for wrong flags, and for arguments after them.
func (c config) check(args []string) error {
	switch {
	case len(args) > 0:
		return fmt.Errorf("unknown argument %q: -in and -out name the buckets", args[0])
	case c.n < 0:
		return fmt.Errorf("-n %d is negative", c.n)
	case c.batch < 0:
		return fmt.Errorf("-batch %d is negative", c.batch)
	case c.maxItems < 0:
		return fmt.Errorf("-max-items %d is negative", c.maxItems)
	case c.concurrency < 1 || c.concurrency > maxConcurrency:
		return fmt.Errorf("-concurrency %d: want 1 to %d", c.concurrency, maxConcurrency)
	case !(c.tolerance >= 0 && c.tolerance <= 100): // also catches NaN
		return fmt.Errorf("-tolerance %v: want 0 to 100", c.tolerance)
	case c.run != "" && !c.durable():
		return errors.New("-run needs -in and -out: a run in temporary folders cannot be resumed")
	case c.fill && c.in == "":
		return errors.New("-fill needs -in: a temporary folder is always filled")
	}
	return nil
}

func printStats(w io.Writer, s dmap.Stats, cost usage.Usage) {
	settled := s.Succeeded + s.Failed
	fmt.Fprintf(w, "run:        %s\n", s.RunID)
	fmt.Fprintf(w, "items:      %d read = %d succeeded + %d failed + %d skipped + %d pending\n",
		s.Read, s.Succeeded, s.Failed, s.Skipped, s.Pending)
	fmt.Fprintf(w, "calls:      %d, including %d retries\n", s.Calls, s.Retries)
	fmt.Fprintf(w, "time:       %v, %.0f items/s\n", s.Elapsed.Round(time.Millisecond), float64(settled)/max(s.Elapsed.Seconds(), 1e-9))
	fmt.Fprintf(w, "processor:  %.1f us per item\n", float64(cost.CPU.Microseconds())/float64(max(settled, 1)))
	fmt.Fprintf(w, "memory:     %.0f MiB at the peak\n", float64(cost.Peak)/(1<<20))
}
