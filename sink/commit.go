package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-dmap/dmap/internal/runfolder"
)

// Barrier closes the open parts, which belong to the next Commit. It does not wait for their
// uploads.
func (f *BucketSink[R]) Barrier() {
	if r := f.run.Load(); r != nil {
		r.parts.barrier()
		r.groups.barrier()
	}
}

// Commit waits until all parts from before the last Barrier are in the bucket, and returns those
// that no earlier Commit has named. A *LostError names records that are lost: the commit then
// fails.
func (f *BucketSink[R]) Commit(ctx context.Context) (json.RawMessage, error) {
	r := f.run.Load()
	if r == nil {
		return nil, errors.New("sink: Commit outside a run")
	}
	state, err := r.parts.stage(ctx)
	if err != nil {
		return nil, err
	}
	return json.Marshal(state)
}

// Restore makes the parts that the states of the commits name count. Other parts in the folder are
// garbage that no reader sees.
func (f *BucketSink[R]) Restore(_ context.Context, states []json.RawMessage) error {
	all, err := runfolder.DecodeStates(states)
	if err != nil {
		return fmt.Errorf("sink: %w", err)
	}
	r := f.run.Load()
	if r == nil {
		return errors.New("sink: Restore outside a run")
	}
	return r.restore(all)
}

// restore makes the parts of earlier processes count.
func (r *run) restore(all runfolder.BucketState) error {
	if err := runfolder.CheckParts(r.folder, all); err != nil {
		return fmt.Errorf("sink: the commits of %q: %w", r.folder, err)
	}
	r.parts.restore(all)
	return nil
}
