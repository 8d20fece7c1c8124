// Command timelimits runs a job that takes longer than its host lets a process live. It plays the
// host: it calls the handler, each time with a deadline, until the run has ended.
//
//	go run ./examples/howto/timelimits -limit 2s
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
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

func main() {
	limit := flag.Duration("limit", 2*time.Second, "`time` that each call of the handler may take")
	flag.Parse()
	bucket := memblob.OpenBucket(nil)
	err := host(context.Background(), os.Stdout, bucket, *limit)
	if err = errors.Join(err, bucket.Close()); err != nil {
		log.Print(err)
		os.Exit(dmap.ExitCode(err))
	}
}

// host calls the handler until the run has ended.
func host(ctx context.Context, w io.Writer, bucket *blob.Bucket, limit time.Duration) error {
	for again := true; again; {
		limited, cancel := context.WithTimeout(ctx, limit)
		answer, err := handle(limited, bucket)
		cancel()
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%d of 400 done, call again: %v\n", answer.Done, answer.Again)
		again = answer.Again
	}
	return nil
}

// answer is what a function returns to its caller.
type answer struct {
	Done  int64
	Again bool // the run is open: the caller calls once more
}

// handle works until shortly before the deadline of ctx, such as a handler of a function.
func handle(ctx context.Context, bucket *blob.Bucket) (answer, error) {
	ctx, stop := dmap.SuspendBefore(ctx, 0) // a tenth of the time, at most a minute
	defer stop()
	stats, err := dmap.Map(ctx, source.Slice(numbers(400)), square, dmap.Options{
		RunID:          "invoices-2026-11", // the same in each call
		MaxConcurrency: 4,
	}, sink.Bucket[int](bucket, "runs/"))
	if errors.Is(err, dmap.ErrOpen) {
		return answer{Done: stats.Succeeded, Again: true}, nil
	}
	return answer{Done: stats.Succeeded}, err
}

// square takes 50 ms, like a call to a server.
func square(ctx context.Context, n int) (int, error) {
	select {
	case <-time.After(50 * time.Millisecond):
		return n * n, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func numbers(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}
