package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob" // file://
	_ "gocloud.dev/blob/memblob"  // mem://

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/examples/display"
	"github.com/go-dmap/dmap/examples/loansim/loan"
	"github.com/go-dmap/dmap/source"
	"github.com/go-dmap/dmap/source/cloud/azure"
	"github.com/go-dmap/dmap/source/cloud/gcs"
	"github.com/go-dmap/dmap/source/cloud/s3"
)

// place holds the buckets of applications and results.
type place struct {
	in, out *blob.Bucket
	store   source.StoreFeatures // features of the store of in
	outURL  string
	made    string // temporary folder of applications, removed at the end; empty: none

	observer *dmap.Observer // of all runs; nil: none
}

// open opens both buckets, and generates the applications if they do not exist.
func open(ctx context.Context, cfg config, show *display.Display) (_ *place, err error) {
	p := &place{outURL: cfg.out, observer: show.Observer}
	defer func() {
		if err != nil {
			p.close()
			if cfg.out == "" {
				os.Remove(p.outURL) // a temporary folder, which is still empty
			}
		}
	}()
	inURL := cfg.in
	if cfg.in == "" {
		if inURL, err = os.MkdirTemp("", "loansim-applications-"); err != nil {
			return nil, err
		}
		p.made = inURL
	}
	if cfg.out == "" {
		if p.outURL, err = os.MkdirTemp("", "loansim-results-"); err != nil {
			return nil, err
		}
	}
	if p.in, p.store, err = openBucket(ctx, inURL, cfg.fill, cfg.concurrency); err != nil {
		return nil, err
	}
	if p.out, _, err = openBucket(ctx, p.outURL, true, cfg.concurrency); err != nil {
		return nil, err
	}
	if p.made != "" || cfg.fill {
		fmt.Fprintf(show, "generating %d applications in %s\n", cfg.n, inURL)
		write, most := p.writer()
		err = fill(ctx, cfg.n, write, most, p.observer)
	}
	if cfg.keep {
		p.made = ""
	}
	return p, err
}

func (p *place) close() {
	for _, b := range []*blob.Bucket{p.in, p.out} {
		if b != nil {
			b.Close()
		}
	}
	if p.made != "" {
		os.RemoveAll(p.made)
	}
}

// results returns the location of the manifest of a run.
func (p *place) results(runID string) string {
	if strings.Contains(p.outURL, "://") {
		return fmt.Sprintf("%s of %s", runs+runID+"/manifest-000.json", p.outURL)
	}
	return filepath.Join(p.outURL, runs, runID, "manifest-000.json")
}

// openBucket opens a gocloud URL, or a folder, which it may create. Buckets of the large clouds
// get one connection for each call.
func openBucket(ctx context.Context, where string, create bool, calls int) (bucket *blob.Bucket, store source.StoreFeatures, err error) {
	scheme, _, isURL := strings.Cut(where, "://")
	switch {
	case !isURL:
		bucket, err = openFolder(ctx, where, create)
	case scheme == "s3":
		store = s3.Store()
		bucket, err = s3.OpenBucket(ctx, where, s3.Options{Calls: calls})
	case scheme == "gs":
		store = gcs.Store()
		bucket, err = gcs.OpenBucket(ctx, where, gcs.Options{Calls: calls})
	case scheme == "azblob":
		store = azure.Store()
		bucket, err = azure.OpenBucket(ctx, where, azure.Options{Calls: calls})
	default:
		bucket, err = blob.OpenBucket(ctx, where)
	}
	if err != nil {
		return nil, store, fmt.Errorf("open %s: %w", where, err)
	}
	return bucket, store, nil
}

func openFolder(ctx context.Context, dir string, create bool) (*blob.Bucket, error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	// Write no .attrs file for each object, and no temporary files to another file system.
	options := url.Values{"metadata": {"skip"}, "no_tmp_dir": {"1"}}
	if create {
		options.Set("create_dir", "1")
	}
	folder := url.URL{Scheme: "file", Path: "/" + strings.TrimPrefix(filepath.ToSlash(path), "/"), RawQuery: options.Encode()}
	return blob.OpenBucket(ctx, folder.String())
}

// fill generates n applications, with at most most concurrent writes. It uses dmap itself, with a
// map from numbers to objects.
func fill(ctx context.Context, n int64, write writeFunc, most int, observer *dmap.Observer) error {
	_, err := dmap.Map(ctx, source.Seq(numbers(n)), func(ctx context.Context, i int64) (struct{}, error) {
		data, err := loan.Encode(i)
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, write(ctx, loan.Key(i), data)
	}, dmap.Options{RunID: "generating", MaxConcurrency: most, Observer: observer})
	return err
}

func numbers(n int64) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for i := int64(0); i < n && yield(i); i++ {
		}
	}
}

type writeFunc func(ctx context.Context, key string, data []byte) error

// writer returns a function that writes to the input bucket, and the best concurrency for it. A
// temporary folder is written without the bucket, which takes a third of the time. There, more
// concurrent writes would only wait for the lock of the directory.
func (p *place) writer() (write writeFunc, most int) {
	if p.made == "" {
		return func(ctx context.Context, key string, data []byte) error {
			if err := p.in.WriteAll(ctx, key, data, nil); err != nil {
				return fmt.Errorf("write %s: %w", key, err)
			}
			return nil
		}, 100
	}
	return func(_ context.Context, key string, data []byte) error {
		name := filepath.Join(p.made, filepath.FromSlash(key))
		err := os.WriteFile(name, data, 0o644)
		if errors.Is(err, fs.ErrNotExist) { // the first of its directory
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				return err
			}
			err = os.WriteFile(name, data, 0o644)
		}
		return err
	}, runtime.GOMAXPROCS(0)
}
