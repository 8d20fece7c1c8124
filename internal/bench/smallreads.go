package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	"gocloud.dev/blob"
	"golang.org/x/sync/errgroup"

	"github.com/go-dmap/dmap/source"
)

const (
	smallBytes = 4 << 10
	smallCount = 1000 // objects; each is read many times

	bucketReadAll  = "Bucket.ReadAll"
	objectReadAll  = "Object.ReadAll"
	objectReadInto = "Object.ReadInto"
)

// smallReads measures the cost of reading one small object.
func smallReads() []table {
	return append([]table{{
		name: "reads/folder", unit: "object",
		what: "objects of 4 KiB in a folder (in the page cache), one after the other",
		n:    100_000, concurrency: 1, prepare: makeSmall,
		figures: []figure{cpuMicros, allocs, allocBytes, wallNanos},
		base:    bucketReadAll,
		cases: []benchCase{
			{name: "os.ReadFile", run: readFiles},
			{name: bucketReadAll, run: fromFolder(readAll)},
			{name: "Bucket.NewReader, sized buffer", run: fromFolder(readSized)},
			{name: objectReadAll, run: fromFolder(readObject), ours: true},
			{name: objectReadInto, run: fromFolder(readInto), ours: true},
		},
		targets: []target{{of: objectReadAll, figure: cpuMicros, against: bucketReadAll, most: 0.85}},
	}}, smallGets()...)
}

func smallKey(i int64) string { return fmt.Sprintf("object-%06d", i%smallCount) }

func makeSmall(_ context.Context, dir string, _ int64) error {
	content := bytes.Repeat([]byte("x"), smallBytes)
	for i := range int64(smallCount) {
		if err := os.WriteFile(filepath.Join(dir, smallKey(i)), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// smallReader returns the read function of one goroutine. That function reads object i and returns
// its length.
type smallReader func() func(ctx context.Context, i int64) (int, error)

// readAllOf reads all objects with work.Concurrency goroutines.
func readAllOf(ctx context.Context, work workload, reader smallReader) (outcome, error) {
	work.start()
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range work.Concurrency {
		read := reader()
		group.Go(func() error {
			for i := next.Add(1) - 1; i < work.N; i = next.Add(1) - 1 {
				n, err := read(ctx, i)
				if err == nil && n != smallBytes {
					err = fmt.Errorf("%s has %d bytes", smallKey(i), n)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return outcome{}, err
	}
	work.stop()
	return outcome{Succeeded: work.N}, nil
}

func readFiles(ctx context.Context, work workload) (outcome, error) {
	return readAllOf(ctx, work, func() func(context.Context, int64) (int, error) {
		return func(_ context.Context, i int64) (int, error) {
			data, err := os.ReadFile(filepath.Join(work.Dir, smallKey(i)))
			return len(data), err
		}
	})
}

// bucketReader makes a smallReader from a bucket and the objects in it.
type bucketReader func(bucket *blob.Bucket, objects []source.Object) smallReader

func fromFolder(reader bucketReader) func(context.Context, workload) (outcome, error) {
	return func(ctx context.Context, work workload) (outcome, error) {
		bucket, err := openFolder(work.Dir)
		if err != nil {
			return outcome{}, err
		}
		defer bucket.Close()
		var objects []source.Object
		for item, err := range source.Objects(bucket, "").Items(ctx) {
			if err != nil {
				return outcome{}, err
			}
			objects = append(objects, item.Value)
		}
		if len(objects) != smallCount {
			return outcome{}, fmt.Errorf("%d objects in the folder, want %d", len(objects), smallCount)
		}
		return readAllOf(ctx, work, reader(bucket, objects))
	}
}

func readAll(bucket *blob.Bucket, _ []source.Object) smallReader {
	return func() func(context.Context, int64) (int, error) {
		return func(ctx context.Context, i int64) (int, error) {
			data, err := bucket.ReadAll(ctx, smallKey(i))
			return len(data), err
		}
	}
}

func readSized(bucket *blob.Bucket, _ []source.Object) smallReader {
	return func() func(context.Context, int64) (int, error) {
		return func(ctx context.Context, i int64) (int, error) {
			r, err := bucket.NewReader(ctx, smallKey(i), nil)
			if err != nil {
				return 0, err
			}
			defer r.Close()
			return io.ReadFull(r, make([]byte, r.Size()))
		}
	}
}

func readObject(_ *blob.Bucket, objects []source.Object) smallReader {
	return func() func(context.Context, int64) (int, error) {
		return func(ctx context.Context, i int64) (int, error) {
			data, err := objects[i%smallCount].ReadAll(ctx)
			return len(data), err
		}
	}
}

func readInto(_ *blob.Bucket, objects []source.Object) smallReader {
	return func() func(context.Context, int64) (int, error) {
		var buf []byte
		return func(ctx context.Context, i int64) (n int, err error) {
			buf, err = objects[i%smallCount].ReadInto(ctx, buf)
			return len(buf), err
		}
	}
}
