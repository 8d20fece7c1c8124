// Command resume starts a run, crashes in the middle of it, and resumes it in a second process.
//
//	go run ./examples/howto/resume -dir /tmp/resume -crash 500  # exits at call 500, as by kill -9
//	go run ./examples/howto/resume -dir /tmp/resume             # runs the rest
//	go run ./examples/howto/resume -dir /tmp/resume             # has ended: returns its counts
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

const runID = "resume-demo"

func main() {
	dir := flag.String("dir", "", "`folder` for the results; the same one at each call")
	crash := flag.Int64("crash", 0, "exit at this `call`; 0: never")
	flag.Parse()
	if *dir == "" {
		log.Fatal("-dir is missing: name the folder for the results")
	}
	if err := run(context.Background(), os.Stdout, *dir, *crash); err != nil {
		log.Print(err)
		os.Exit(dmap.ExitCode(err))
	}
}

func run(ctx context.Context, w io.Writer, dir string, crash int64) error {
	bucket, err := openFolder(ctx, dir)
	if err != nil {
		return err
	}
	defer bucket.Close()

	var calls atomic.Int64 // of this process
	square := func(ctx context.Context, n int) (int, error) {
		if calls.Add(1) == crash {
			os.Exit(137) // nothing of the library gets a chance to clean up
		}
		select { // the work
		case <-time.After(2 * time.Millisecond):
			return n * n, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	stats, err := dmap.Map(ctx, source.Slice(numbers(1000)), square, dmap.Options{
		RunID:          runID, // what makes the second call a resume
		MaxConcurrency: 4,
		CommitEvery:    20 * time.Millisecond, // 0: once a second
	}, sink.Bucket[int](bucket, "runs/"))
	fmt.Fprintf(w, "%d of 1000 items succeeded; this process made %d calls\n", stats.Succeeded, calls.Load())
	return err
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
