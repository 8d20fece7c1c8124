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
		Beat:           3 * time.Second, // for the page
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
