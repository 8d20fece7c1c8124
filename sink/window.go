package sink

import (
	"context"
	"slices"

	"github.com/go-dmap/dmap/internal/runfolder"
)

// window is which parts count in a run whose results count by commits. It is guarded by parts.mu.
type window struct {
	commits bool // the run has commits: a part counts once one names it
	line    int  // parts up to this number lie before the line
	staged  [runfolder.Kinds][]runfolder.Part
	counted [runfolder.Kinds][]runfolder.Part
}

// mark closes the open parts: they, and those before them, are what stage waits for.
func (w *parts) mark() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts() // the commit before has been appended, else there would be no other
	w.shutAll()
	w.window.commits, w.window.line = true, w.seq
}

// stage waits for the parts before the line and returns those that have not been named. It fails if anything is lost.
func (w *parts) stage(ctx context.Context) (state runfolder.BucketState, err error) {
	w.mu.Lock()
	var uploads []*part
	for _, p := range w.uploads {
		if p.seq <= w.window.line {
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
	for l := range w.written {
		var before, after []writtenPart
		for _, p := range w.written[l] {
			if p.seq <= w.window.line {
				before = append(before, p)
			} else {
				after = append(after, p)
			}
		}
		w.written[l], w.window.staged[l] = after, partsOf(before)
	}
	return runfolder.BucketState{Failed: w.window.staged[runfolder.Failed], Succeeded: w.window.staged[runfolder.Succeeded]}, nil
}

// count makes what the last stage returned count.
func (w *parts) count() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts()
}

func (w *parts) counts() {
	for l, list := range w.window.staged {
		w.window.counted[l] = append(w.window.counted[l], list...)
		w.window.staged[l] = nil
	}
}

// restore makes parts of earlier processes count.
func (w *parts) restore(all runfolder.BucketState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.window.commits = true
	w.window.counted[runfolder.Failed] = slices.Clone(all.Failed)
	w.window.counted[runfolder.Succeeded] = slices.Clone(all.Succeeded)
}

// await waits until the uploads have ended, at most until ctx ends: then it ends them.
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
