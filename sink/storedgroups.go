package sink

import (
	"context"
	"fmt"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// storeGroups stores the index of an ended run; nil if it has no failures.
func storeGroups(ctx context.Context, bucket *blob.Bucket, key string, list []runfolder.FailureGroup) (*runfolder.Part, error) {
	if len(list) == 0 {
		return nil, nil
	}
	content, err := runfolder.EncodeGroups(list)
	if err != nil {
		return nil, fmt.Errorf("sink: encode %q: %w", key, err)
	}
	p, err := storePart(ctx, bucket, key, content, int64(len(list)))
	if err != nil {
		return nil, err
	}
	return &p, nil
}

// indexOfParts reads FAILED parts and makes their index.
func indexOfParts(ctx context.Context, bucket *blob.Bucket, parts []runfolder.Part) (*failgroup.Index, error) {
	x := &failgroup.Index{}
	for _, p := range parts {
		content, err := runfolder.ReadPart(ctx, bucket, p)
		if err != nil {
			return nil, fmt.Errorf("sink: %w", err)
		}
		if err := eachRecord(p, content, func(_ []byte, r *runfolder.Record) error {
			x.Add(runfolder.FailureOf(r))
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// endGroups stores the index of the failures of m. A sink that keeps no journal of a run that has
// commits does not know the failures of earlier processes, and reads them.
func (f *BucketSink[R]) endGroups(ctx context.Context, r *run, m *runfolder.Manifest) (*runfolder.Part, error) {
	list := r.groups.all(r.parts.counted())
	if r.journal == nil && r.spec.Resumed {
		x, err := indexOfParts(ctx, f.bucket, m.ResultFiles.Failed)
		if err != nil {
			return nil, err
		}
		list = runfolder.StoredGroups(x)
	}
	return storeGroups(ctx, f.bucket, r.folder+runfolder.GroupsName(r.writer, r.parts.number()), list)
}
