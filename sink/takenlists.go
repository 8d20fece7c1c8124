package sink

import (
	"context"
	"fmt"

	"github.com/go-dmap/dmap/internal/commits"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/redrive"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// Lists are those of the run after p.
func (l *runLog[R]) Lists(p *journal.Progress) []journal.TakenPart { return p.Lists() }

// ReadList yields the items of a list of the redrive, or of the latest release, after an offset.
func (l *runLog[R]) ReadList(ctx context.Context, part journal.TakenPart, from int64) takenItems {
	return l.f.readTaken(ctx, l.run, l.run.journal.log.State, part, from)
}

// readTaken yields the items of a list after an offset. state has the records of the run.
func (f *BucketSink[R]) readTaken(ctx context.Context, r *run, state commits.State, part journal.TakenPart, from int64) takenItems {
	return func(yield func(journal.TakenItem, error) bool) {
		list, err := r.takenList(state, part.Split)
		if err != nil {
			yield(journal.TakenItem{}, err)
			return
		}
		readList(ctx, f.bucket, list, from)(yield)
	}
}

// takenList is the list that a split reads.
func (r *run) takenList(state commits.State, split string) (runfolder.Part, error) {
	if !journal.IsReleasedSplit(split) {
		if r.again != nil {
			for _, p := range r.again.file.Taken {
				if redrive.TakenSplit(r.again.file.Redrive, p) == split {
					return p, nil
				}
			}
		}
		return runfolder.Part{}, fmt.Errorf("sink: no redrive that is open has a list %q", split)
	}
	e := state.LatestRelease()
	if e == nil {
		return runfolder.Part{}, fmt.Errorf("sink: no release has a list %q", split)
	}
	if err := runfolder.CheckLists(r.folder, e.Taken); err != nil {
		return runfolder.Part{}, fmt.Errorf("sink: release of commit %d: %w", e.Number, err)
	}
	for _, p := range e.Taken {
		if journal.ReleasedSplit(e.Number, p.Key) == split {
			return p, nil
		}
	}
	return runfolder.Part{}, fmt.Errorf("sink: the release of commit %d has no list %q", e.Number, split)
}
