// Command shutdown stops a run in order at SIGTERM, as Kubernetes and spot machines send it, and
// resumes it in the next process.
//
//	go run ./examples/howto/shutdown -dir /tmp/shutdown -term 300  # SIGTERM at call 300
//	go run ./examples/howto/shutdown -dir /tmp/shutdown            # runs the rest
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

func main() {
	dir := flag.String("dir", "", "`folder` for the results; the same one at each call")
	term := flag.Int64("term", 0, "send SIGTERM to this process at this `call`; 0: never")
	flag.Parse()
	if *dir == "" {
		log.Fatal("-dir is missing: name the folder for the results")
	}
	ctx, stop := dmap.SuspendOn(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, *dir, *term, terminate)
	stop()
	if err != nil {
		log.Print(err)
		os.Exit(dmap.ExitCode(err)) // 75: the Job starts another pod
	}
}

func run(ctx context.Context, w io.Writer, dir string, term int64, terminate func() error) error {
	bucket, err := openFolder(ctx, dir)
	if err != nil {
		return err
	}
	defer bucket.Close()

	var calls atomic.Int64 // of this process
	square := func(ctx context.Context, n int) (int, error) {
		if calls.Add(1) == term {
			if err := terminate(); err != nil {
				return 0, err
			}
		}
		select { // the work
		case <-time.After(2 * time.Millisecond):
			return n * n, nil
		case <-ctx.Done(): // after DrainTimeout
			return 0, ctx.Err()
		}
	}
	stats, err := dmap.Map(ctx, source.Slice(numbers(1000)), square, dmap.Options{
		RunID:          "shutdown-demo",
		MaxConcurrency: 4,
		DrainTimeout:   10 * time.Second, // for the calls in flight; then as much again for the results
	}, sink.Bucket[int](bucket, "runs/"))
	fmt.Fprintf(w, "%d of 1000 items finished, %d interrupted\n", stats.Succeeded, stats.Calls-stats.Succeeded)
	if errors.Is(err, dmap.ErrSuspended) {
		fmt.Fprintln(w, "stopped in order; the next process with this RunID resumes")
	}
	return err
}

// terminate does what the orchestrator does.
func terminate() error {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	return self.Signal(syscall.SIGTERM)
}

// openFolder opens a folder as a bucket, and creates it if it is missing.
func openFolder(ctx context.Context, dir string) (*blob.Bucket, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	folder := url.URL{Scheme: "file", Path: filepath.ToSlash(dir), RawQuery: "metadata=skip&no_tmp_dir=1&create_dir=1"}
	return blob.OpenBucket(ctx, folder.String())
}

func numbers(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}
