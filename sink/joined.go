package sink

import (
	"context"

	"github.com/go-dmap/dmap/internal/runfolder"
)

// joinedEnd is lastEnd, without its parts of results, for the steps of an era: it reads a manifest
// once.
func (f *BucketSink[R]) joinedEnd(ctx context.Context, r *run) (*runfolder.Manifest, error) {
	if before, _ := f.earlier.get(r.folder); before != nil {
		newest, err := runfolder.IsNewest(ctx, f.bucket, r.folder, before.Redrive)
		if err != nil {
			return nil, err
		}
		if newest {
			return before, nil
		}
	}
	m, err := f.lastEnd(ctx, r)
	if err != nil || m == nil {
		return nil, err
	}
	return f.earlier.keepEnd(r.folder, m), nil
}

// leasedRedrive is the record of redrive n, which has begun, without the parts of items that it has
// not taken: it reads the record once.
func (f *BucketSink[R]) leasedRedrive(ctx context.Context, r *run, n int) (*runfolder.RedriveFile, error) {
	if _, file := f.earlier.get(r.folder); file != nil && file.Redrive == n {
		return file, nil
	}
	file, err := f.earlierRedrive(ctx, r, n)
	if err == nil && file != nil {
		f.earlier.keepRedrive(r.folder, file)
	}
	return file, err
}
