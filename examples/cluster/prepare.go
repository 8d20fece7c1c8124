package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/examples/loansim/loan"
	"github.com/go-dmap/dmap/source"
)

// prepare returns a folder with n applications. It makes those that are not there. remove removes a
// temporary folder.
func prepare(ctx context.Context, cfg config, w io.Writer) (folder string, remove func(), err error) {
	remove = func() {}
	if folder = cfg.dir; folder == "" {
		if folder, err = os.MkdirTemp("", "dmap-cluster-"); err != nil {
			return "", nil, err
		}
		remove = func() { os.RemoveAll(folder) }
	}
	if folder, err = filepath.Abs(folder); err == nil {
		fmt.Fprintf(w, "%d applications in %s\n", cfg.n, folder)
		err = fill(ctx, folder, cfg.n)
	}
	if err != nil {
		remove()
	}
	return folder, remove, err
}

func fill(ctx context.Context, folder string, n int64) error {
	numbers := func(yield func(int64) bool) {
		for i := int64(0); i < n && yield(i); i++ {
		}
	}
	_, err := dmap.Map(ctx, source.Seq(numbers), func(_ context.Context, i int64) (struct{}, error) {
		return struct{}{}, write(filepath.Join(folder, filepath.FromSlash(loan.Key(i))), i)
	}, dmap.Options{RunID: "generating", MaxConcurrency: runtime.GOMAXPROCS(0)})
	return err
}

// write writes the i-th application, unless it is there.
func write(name string, i int64) error {
	if _, err := os.Stat(name); err == nil {
		return nil
	}
	data, err := loan.Encode(i)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}
