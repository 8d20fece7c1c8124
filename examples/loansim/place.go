package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // azblob://
	_ "gocloud.dev/blob/fileblob"  // file://
	_ "gocloud.dev/blob/gcsblob"   // gs://
	_ "gocloud.dev/blob/memblob"   // mem://
	_ "gocloud.dev/blob/s3blob"    // s3://

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/progress"
	"github.com/go-dmap/dmap/examples/loansim/loan"
	"github.com/go-dmap/dmap/source"
)

// place is where the applications are and the results go.
type place struct {
	in, out *blob.Bucket
	outURL  string
	total   int64  // applications in the input; 0: unknown
	made    string // folder of applications that goes at the end; empty: none
}

// open opens both buckets, and makes the applications if there are none yet.
func open(ctx context.Context, cfg config, stderr io.Writer) (_ *place, err error) {
	p := &place{outURL: cfg.out}
	defer func() {
		if err != nil {
			p.close()
			if cfg.out == "" {
				os.Remove(p.outURL) // a temporary folder, still empty
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
	if p.in, err = openBucket(ctx, inURL, cfg.fill); err != nil {
		return nil, err
	}
	if p.out, err = openBucket(ctx, p.outURL, true); err != nil {
		return nil, err
	}
	if p.made != "" || cfg.fill {
		fmt.Fprintf(stderr, "making %d applications in %s\n", cfg.n, inURL)
		write, most := p.writer()
		err = fill(ctx, cfg.n, write, most, stderr)
		p.total = cfg.n
	}
	if cfg.maxItems > 0 && (p.total == 0 || cfg.maxItems < p.total) {
		p.total = cfg.maxItems
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

// results says where the manifest of a run lies.
func (p *place) results(runID string) string {
	if strings.Contains(p.outURL, "://") {
		return fmt.Sprintf("%s of %s", runs+runID+"/manifest.json", p.outURL)
	}
	return filepath.Join(p.outURL, runs, runID, "manifest.json")
}

// openBucket takes any gocloud URL, or a folder, which it may create.
func openBucket(ctx context.Context, where string, create bool) (*blob.Bucket, error) {
	if !strings.Contains(where, "://") {
		path, err := filepath.Abs(where)
		if err != nil {
			return nil, err
		}
		// No .attrs file beside each object, and no temporary files on another file system.
		options := url.Values{"metadata": {"skip"}, "no_tmp_dir": {"1"}}
		if create {
			options.Set("create_dir", "1")
		}
		folder := url.URL{Scheme: "file", Path: "/" + strings.TrimPrefix(filepath.ToSlash(path), "/"), RawQuery: options.Encode()}
		where = folder.String()
	}
	bucket, err := blob.OpenBucket(ctx, where)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", where, err)
	}
	return bucket, nil
}

// fill makes n applications, at most so many at once. It is a map too, from numbers to objects.
func fill(ctx context.Context, n int64, write writeFunc, most int, stderr io.Writer) error {
	run, err := dmap.Start(ctx, source.Seq(numbers(n)), func(ctx context.Context, i int64) (struct{}, error) {
		data, err := loan.Encode(i)
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, write(ctx, loan.Key(i), data)
	}, dmap.Options{MaxConcurrency: most})
	if err != nil {
		return err
	}
	progress.Show(stderr, run, progress.Options{Total: n})
	_, err = run.Wait()
	return err
}

func numbers(n int64) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for i := int64(0); i < n && yield(i); i++ {
		}
	}
}

type writeFunc func(ctx context.Context, key string, data []byte) error

// writer writes into the input bucket, and says how often at once: a folder of our own is written without the bucket,
// which takes a third of the time, and by few, as more would only wait for the directory's lock.
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
