// Command daily is a job that prices the orders of a day. It is called again and again, always the
// same way, until it succeeds: after a kill it resumes, after a failed run it processes the failed
// orders again, and after success it does nothing.
//
//	go run ./examples/howto/daily -dir /tmp/daily -kill 300  # exits at call 300, as by kill -9
//	go run ./examples/howto/daily -dir /tmp/daily            # resumes; too many orders fail
//	go run ./examples/howto/daily -dir /tmp/daily -mended    # other code: the failed orders run
//	go run ./examples/howto/daily -dir /tmp/daily -mended    # has succeeded: no call
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
	"strings"
	"sync/atomic"
	"time"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

type order struct {
	Cents int `json:"cents"`
	Parts int `json:"parts"`
}

func main() {
	var j job
	flag.StringVar(&j.dir, "dir", "", "`folder` for orders and results; the same one at each call")
	flag.StringVar(&j.date, "date", "2026-03-01", "`day` whose orders are priced")
	flag.BoolVar(&j.mended, "mended", false, "run the code without the bug")
	flag.Int64Var(&j.kill, "kill", 0, "exit at this `call`; 0: never")
	flag.Parse()
	if j.dir == "" {
		log.Fatal("-dir is missing: name the folder for the orders and the results")
	}
	err := j.run(context.Background(), os.Stdout)
	if err != nil {
		log.Print(err)
	}
	os.Exit(dmap.ExitCode(err)) // 75: call again
}

// job is one process of the job of a day.
type job struct {
	dir, date string
	mended    bool
	kill      int64
	calls     atomic.Int64
}

func (j *job) run(ctx context.Context, w io.Writer) error {
	bucket, err := openFolder(ctx, j.dir)
	if err != nil {
		return err
	}
	defer bucket.Close()
	key := "orders/" + j.date + ".jsonl"
	if err := receiveOrders(ctx, bucket, key); err != nil {
		return err
	}
	version := "1"
	if j.mended {
		version = "2"
	}
	stats, err := dmap.Map(ctx, source.JSONLines[order](bucket, key), j.price, dmap.Options{
		RunID:          "prices-" + j.date,            // one run a day
		Version:        version,                       // of price
		Tolerance:      dmap.Tolerance{Percentage: 5}, // more failed orders fail the run
		Redrive:        dmap.Redrive{Max: 3},          // then the next calls process them again
		CommitEvery:    20 * time.Millisecond,         // 0: once a second
		MaxConcurrency: 8,
	}, sink.Bucket[int](bucket, "runs/"))
	fmt.Fprintf(w, "%s: %d of %d orders priced, %d failed; redrives: %d; calls of this process: %d\n",
		j.date, stats.Succeeded, stats.Read, stats.Failed, stats.Redrives, j.calls.Load())
	return err
}

// price returns the price of a part. The bug: an order may have no parts.
func (j *job) price(ctx context.Context, o order) (int, error) {
	if j.calls.Add(1) == j.kill {
		os.Exit(137) // nothing of the library gets a chance to clean up
	}
	select { // the work
	case <-time.After(2 * time.Millisecond):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	switch {
	case o.Parts > 0:
		return o.Cents / o.Parts, nil
	case j.mended:
		return o.Cents, nil
	default:
		return 0, errors.New("order without parts")
	}
}

// receiveOrders makes 1,000 orders, of which 100 have no parts, unless they are there.
func receiveOrders(ctx context.Context, bucket *blob.Bucket, key string) error {
	if there, err := bucket.Exists(ctx, key); there || err != nil {
		return err
	}
	var lines strings.Builder
	for n := range 1000 {
		fmt.Fprintf(&lines, "{\"cents\":%d,\"parts\":%d}\n", 100*n, n%10)
	}
	return bucket.WriteAll(ctx, key, []byte(lines.String()), nil)
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
