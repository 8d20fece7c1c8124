// Command page starts a run and shows it on a page, with controls and redrives, until Ctrl-C.
//
//	go run ./examples/howto/page
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmapweb"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

func main() {
	address := flag.String("address", "localhost:8080", "`address` of the page")
	n := flag.Int("n", 20_000, "`items`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stderr, *address, *n); err != nil {
		log.Print(err)
		os.Exit(dmap.ExitCode(err))
	}
}

// run works on a run and serves its page until ctx ends.
func run(ctx context.Context, w io.Writer, address string, n int) error {
	bucket := memblob.OpenBucket(nil) // or blob.OpenBucket(ctx, "s3://...")
	defer bucket.Close()
	j := &job{ctx: ctx, bucket: bucket, invoices: make([]string, n)}
	for i := range j.invoices {
		j.invoices[i] = fmt.Sprintf("invoice %d", i)
	}
	var err error
	j.page, err = dmapweb.New(dmapweb.Options{
		Bucket:    bucket, // the page also shows runs that have ended, and those of other processes
		Prefix:    "runs/",
		Authorize: dmapweb.LocalOnly, // or a function that looks at the session of your users
		Redrive: func(_ context.Context, runID string, redrive dmap.Redrive) error {
			_, err := j.start(runID, redrive)
			return err
		},
		Total:  func(string) int64 { return int64(n) },
		Logger: slog.New(slog.NewTextHandler(w, nil)), // a line for each change
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/runs/", http.StripPrefix("/runs", j.page))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	server.RegisterOnShutdown(j.page.Close)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	fmt.Fprintf(w, "the page is http://%s/runs/\n", listener.Addr())

	first, err := j.start("nightly", dmap.Redrive{})
	if err == nil {
		_, err = first.Wait()
	}
	<-ctx.Done()
	closed := server.Shutdown(context.WithoutCancel(ctx))
	j.wait() // no request starts a redrive any more
	if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
		return errors.Join(err, serveErr)
	}
	if errors.Is(err, dmap.ErrTolerance) { // the page has shown it
		err = nil
	}
	return errors.Join(err, closed)
}

// job starts the run and its redrives.
type job struct {
	ctx      context.Context
	bucket   *blob.Bucket
	page     *dmapweb.Page
	invoices []string

	mu   sync.Mutex // redrives start from requests
	last *dmap.Run
}

func (j *job) start(runID string, redrive dmap.Redrive) (*dmap.Run, error) {
	started, err := dmap.Start(j.ctx, source.Slice(j.invoices), send, dmap.Options{
		RunID:          runID,
		Redrive:        redrive,
		MaxConcurrency: 50,
		Tolerance:      dmap.Tolerance{Count: 500},
		Observer:       j.page.Observer(),
	}, sink.Bucket[string](j.bucket, "runs/"))
	if err == nil {
		j.mu.Lock()
		j.last = started
		j.mu.Unlock()
	}
	return started, err
}

// wait waits for the latest run, which ends with the context.
func (j *job) wait() {
	j.mu.Lock()
	last := j.last
	j.mu.Unlock()
	if last != nil {
		<-last.Done()
	}
}

// send takes some milliseconds, and fails for a few invoices.
func send(ctx context.Context, invoice string) (string, error) {
	info, _ := dmap.InfoFrom(ctx)
	select {
	case <-time.After(time.Duration(20+info.Index%60) * time.Millisecond):
	case <-ctx.Done():
		return "", ctx.Err()
	}
	switch {
	case info.Index%211 == 7:
		return "", fmt.Errorf("customer %d has no address", info.Index*31)
	case info.Index%503 == 11 && info.Redrive == 0:
		return "", errors.New("status 503: mail server is not available")
	}
	return invoice + " sent", nil
}
