// Command cluster runs the job of examples/loansim on a small cluster on this machine: a Temporal
// dev server, three worker processes, and a page of the whole run. Kill a worker: the page shows
// it, and the others finish its work.
//
//	make temporal-cli       # builds the Temporal command, once: ten minutes
//	go run ./examples/cluster
//	go run ./examples/cluster -n 100000 -workers 5 -calls 300
//	go run ./examples/cluster -server localhost:7233  # with a server that runs already
//	go run ./examples/cluster -dir loans -run monday  # resumes after Ctrl-C
//
// Ctrl-C suspends the run, and stops workers, server and page.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptemporal"
)

// config holds the values of the flags.
type config struct {
	n                         int64
	workers, calls            int
	takes                     time.Duration
	dir, run                  string
	http                      string
	temporal, server, workFor string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := demo(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(max(1, dmap.ExitCode(err)))
	}
}

// demo is the program without its process: a worker, or the whole cluster.
func demo(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	cfg, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if cfg.workFor != "" {
		return work(ctx, cfg.workFor, stdin)
	}
	return cluster(ctx, cfg, stdout, stderr)
}

func parse(args []string, stderr io.Writer) (config, error) {
	var cfg config
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Int64Var(&cfg.n, "n", 20_000, "number of `applications`")
	flags.IntVar(&cfg.workers, "workers", 3, "number of worker `processes`")
	flags.IntVar(&cfg.calls, "calls", 60, "maximum number of concurrent `calls` of all workers together")
	flags.DurationVar(&cfg.takes, "takes", 200*time.Millisecond, "`time` of a call: it stands for a slow service")
	flags.StringVar(&cfg.dir, "dir", "", "`folder` of applications and results (default: a temporary folder)")
	flags.StringVar(&cfg.run, "run", "loans", "`ID` of the run; an unfinished run with this ID is resumed (needs -dir)")
	flags.StringVar(&cfg.http, "http", "localhost:8080", "`address` of the page")
	flags.StringVar(&cfg.temporal, "temporal", "", "Temporal `command` (default: that of make temporal-cli, or temporal in PATH)")
	flags.StringVar(&cfg.server, "server", "", "`address` of a Temporal server that runs already (default: a dev server is started)")
	flags.StringVar(&cfg.workFor, "work", "", "work for the Temporal server at this `address` until the standard input ends: the program starts its workers so")
	if err := flags.Parse(args); err != nil {
		return cfg, err
	}
	switch {
	case flags.NArg() > 0:
		return cfg, fmt.Errorf("unknown argument %q", flags.Arg(0))
	case cfg.n < 1 || cfg.workers < 1 || cfg.calls < 1 || cfg.takes < 0:
		return cfg, errors.New("-n, -workers and -calls: want at least 1; -takes: not negative")
	}
	return cfg, nil
}

// cluster starts server, workers, run and page. It stops them in the other order.
func cluster(ctx context.Context, cfg config, stdout, stderr io.Writer) (err error) {
	folder, remove, err := prepare(ctx, cfg, stderr)
	if err != nil {
		return err
	}
	defer remove()
	address, stop, err := startServer(ctx, cfg, stderr)
	if err != nil {
		return err
	}
	defer stop()
	c, err := dial(ctx, address)
	if err != nil {
		return err
	}
	defer c.Close()
	stopWorkers, err := startWorkers(cfg.workers, address, stderr)
	if err != nil {
		return err
	}
	defer stopWorkers()
	show, err := open(ctx, cfg, folder, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, show.close()) }()
	run, err := start(ctx, c, cfg, folder, show.observer)
	if err != nil {
		return err
	}
	return wait(ctx, run, filepath.Join(folder, "results", runs, run.ID()), stdout, stderr)
}

// start starts the run. This is the code that a user of dmap writes, beside that of a worker.
func start(ctx context.Context, c client.Client, cfg config, folder string, observer *dmap.Observer) (*dmaptemporal.Run, error) {
	return loans.Start(context.WithoutCancel(ctx), c, queue, cfg.run, params{folder, cfg.takes}, dmaptemporal.Settings{
		MaxConcurrency: cfg.calls,
		PerLease:       max(1, cfg.calls/(2*cfg.workers)),
		Tolerance:      dmap.Tolerance{Percentage: 10},
		Observer:       observer,
	})
}

// wait waits for the end of the run, and then of ctx: the page stays meanwhile. The end of ctx
// suspends the run.
func wait(ctx context.Context, run *dmaptemporal.Run, results string, stdout, stderr io.Writer) error {
	select {
	case <-run.Done():
	case <-ctx.Done():
		fmt.Fprintln(stderr, "the run is suspended: its calls in flight return")
		run.Suspend()
	}
	stats, err := run.Wait()
	fmt.Fprintf(stdout, "items:    %d read = %d succeeded + %d failed + %d pending\n", stats.Read, stats.Succeeded, stats.Failed, stats.Pending)
	fmt.Fprintf(stdout, "results:  %s\n", results)
	if ctx.Err() == nil {
		fmt.Fprintln(stderr, "Ctrl-C closes the page, and stops the workers and the server")
		<-ctx.Done()
	}
	fmt.Fprintln(stderr, "the workers and the server stop: some seconds")
	if errors.Is(err, dmap.ErrSuspended) {
		return nil
	}
	return err
}
