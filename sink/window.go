package sink

import (
	"context"
	"slices"

	"github.com/go-dmap/dmap/internal/runfolder"
)

// window says which parts count, in a run whose results count by commits. It is guarded by
// parts.mu.
type window struct {
	commits bool // the run has commits: a part counts once one names it
	last    int  // number of the last part before the barrier
	staged  [runfolder.Kinds][]runfolder.Part
	valid   [runfolder.Kinds][]runfolder.Part
}

// barrier closes the open parts: stage waits for them and for the parts before them.
func (w *parts) barrier() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.promote() // the commit before was appended, otherwise there would be no further barrier
	w.closeAll()
	w.window.commits, w.window.last = true, w.seq
}

// stage waits for the parts before the barrier and returns those that no commit has named. It fails
// if records are lost.
func (w *parts) stage(ctx context.Context) (state runfolder.BucketState, err error) {
	w.mu.Lock()
	var uploads []*part
	for _, p := range w.uploads {
		if p.seq <= w.window.last {
			uploads = append(uploads, p)
		}
	}
	w.mu.Unlock()
	await(ctx, uploads)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.lost.joined(); err != nil {
		return state, err
	}
	for kind := range w.written {
		var before, after []writtenPart
		for _, p := range w.written[kind] {
			if p.seq <= w.window.last {
				before = append(before, p)
			} else {
				after = append(after, p)
			}
		}
		w.written[kind], w.window.staged[kind] = after, partsOf(before)
	}
	staged := &w.window.staged
	return runfolder.BucketState{Failed: staged[runfolder.Failed], Succeeded: staged[runfolder.Succeeded], Held: staged[runfolder.Held]}, nil
}

// counted reports whether parts count by commits.
func (w *parts) counted() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.window.commits
}

// promoteStaged makes the parts that the last stage returned count.
func (w *parts) promoteStaged() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.promote()
}

// promote is promoteStaged with mu held.
func (w *parts) promote() {
	for kind, list := range w.window.staged {
		w.window.valid[kind] = append(w.window.valid[kind], list...)
		w.window.staged[kind] = nil
	}
}

// restore makes parts of earlier processes count.
func (w *parts) restore(all runfolder.BucketState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.window.commits = true
	w.window.valid[runfolder.Failed] = slices.Clone(all.Failed)
	w.window.valid[runfolder.Held] = slices.Clone(all.Held)
	w.window.valid[runfolder.Succeeded] = slices.Clone(all.Succeeded)
}

// await waits until the uploads have ended. When ctx ends it interrupts them.
func await(ctx context.Context, uploads []*part) {
	for _, p := range uploads {
		select {
		case <-p.done:
		case <-ctx.Done():
			p.cancel(context.Cause(ctx))
			<-p.done
		}
	}
}
