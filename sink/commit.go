package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-dmap/dmap/internal/runfolder"
)

// Barrier ends the window of the next Commit: it closes the open parts, and does not wait for their uploads.
func (f *Folder[R]) Barrier() {
	if r := f.run.Load(); r != nil {
		r.parts.mark()
	}
}

// Commit waits until all that was written before the line is in the bucket, and returns the parts that no earlier Commit
// has named. A *LostError says that something is lost: then nothing of it counts.
func (f *Folder[R]) Commit(ctx context.Context) (json.RawMessage, error) {
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

// Restore takes the parts that count from the states of the commits. Others in the folder are garbage that no reader sees.
func (f *Folder[R]) Restore(_ context.Context, states []json.RawMessage) error {
	var all runfolder.BucketState
	for i, text := range states {
		var state runfolder.BucketState
		if err := json.Unmarshal(text, &state); err != nil {
			return fmt.Errorf("sink: state %d of %d: %w", i+1, len(states), err)
		}
		all.Failed = append(all.Failed, state.Failed...)
		all.Succeeded = append(all.Succeeded, state.Succeeded...)
	}
	r := f.run.Load()
	if r == nil {
		return errors.New("sink: Restore outside a run")
	}
	return r.restore(all)
}

// restore makes the parts of earlier processes count.
func (r *run) restore(all runfolder.BucketState) error {
	if err := runfolder.CheckParts(r.folder, all.Failed, all.Succeeded); err != nil {
		return fmt.Errorf("sink: the commits of %q: %w", r.folder, err)
	}
	r.parts.restore(all)
	return nil
}
