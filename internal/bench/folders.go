package main

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/examples/loansim/loan"
	"github.com/go-dmap/dmap/source"
)

const walkName = "filepath.WalkDir, Info"

// folders measures listing a folder: small files in three layouts. WalkDir is the lower bound: it
// yields another order than that of keys, and no objects. Bucket.List walks the whole folder again
// for each page.
func folders() []table {
	layout := func(name, what string, keys func(n int) []string) table {
		return table{
			name: "folders/" + name, what: "files of a folder are listed and not read: " + what,
			unit: "file", n: 500_000, rounds: 3, concurrency: 1, base: walkName,
			figures: []figure{cpuMicros, cpuTotal, wallSeconds, addedMiB, peakMiB, allocs},
			prepare: func(ctx context.Context, dir string, n int64) error { return makeFiles(ctx, dir, keys(int(n))) },
			cases: []benchCase{
				{name: walkName, run: walkDir},
				{name: "Bucket.List", run: folderBy(bucketList), most: 50_000},
				{name: "one ListPage", run: folderBy(onePage)},
				{name: "source.Objects", run: folderBy(sourceObjects), ours: true},
			},
			targets: []target{
				{of: "source.Objects", figure: cpuMicros, most: 10, note: "5 CPU seconds for 500,000"},
				{of: "source.Objects", figure: peakMiB, most: 64},
			},
		}
	}
	return []table{
		layout("loans", "as examples/loansim makes them", loanKeys),
		layout("hours", "8,760 directories", hourKeys),
		layout("flat", "one directory", flatKeys),
	}
}

func loanKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = loan.Key(int64(i))
	}
	return keys
}

func flatKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%012d.json", i)
	}
	return keys
}

func makeFiles(ctx context.Context, dir string, keys []string) error {
	for _, key := range keys {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := writeFile(filepath.Join(dir, filepath.FromSlash(key)), []byte("{}")); err != nil {
			return err
		}
	}
	return nil
}

func walkDir(_ context.Context, work workload) (out outcome, err error) {
	work.start()
	err = filepath.WalkDir(work.Dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		out.Succeeded++
		_, err = entry.Info()
		return err
	})
	return out, err
}

func folderBy(list lister) func(context.Context, workload) (outcome, error) {
	return func(ctx context.Context, work workload) (outcome, error) {
		bucket, err := openFolder(work.Dir)
		if err != nil {
			return outcome{}, err
		}
		defer bucket.Close()
		work.start()
		out, err := list(ctx, bucket, work, func() {})
		work.stop()
		return out, err
	}
}

func onePage(ctx context.Context, bucket *blob.Bucket, work workload, _ func()) (outcome, error) {
	objects, _, err := bucket.ListPage(ctx, blob.FirstPageToken, int(work.N)+1, nil)
	return outcome{Succeeded: int64(len(objects))}, err
}

func sourceObjects(ctx context.Context, bucket *blob.Bucket, _ workload, _ func()) (out outcome, err error) {
	for _, err := range source.Objects(bucket, "").Items(ctx) {
		if err != nil {
			return outcome{}, err
		}
		out.Succeeded++
	}
	return out, nil
}
