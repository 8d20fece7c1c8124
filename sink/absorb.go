package sink

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-dmap/dmap/internal/commits"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lanes"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// errShared says why a call could not take a run over.
var errShared = errors.New("a host shares the run between machines, and has just written to it: stop the host, or let it end the run, and call again")

func newRunJournal[R any](f *BucketSink[R], r *run, same func(context.Context, *journal.Progress) error) *runJournal {
	return &runJournal{same: same, log: &commits.Log{Bucket: f.bucket, In: r.folder + runfolder.CommitsFolder, Writer: r.writer}}
}

// host reports whether a host has the run.
func (j *runJournal) host() bool {
	_, open, _ := j.log.State.Era()
	return open
}

// lanes are those of the run.
func (f *BucketSink[R]) lanes(r *run) lanes.Run {
	return lanes.Run{Bucket: f.bucket, Folder: r.folder, Writer: r.writer}
}

// Absorb returns the commit that takes in the next leases of a run that was shared.
func (l *runLog[R]) Absorb(ctx context.Context) (c journal.Commit, ok bool, err error) {
	j := l.run.journal
	if _, _, known := j.log.State.Era(); !known {
		return c, false, nil
	}
	if j.absorbing == nil {
		j.absorbing = l.f.lanes(l.run).TakeOver(j.log.State.Absorbed())
	}
	b, ok, err := j.absorbing.Next(ctx)
	if err == nil && ok {
		err = lanes.Disjoint(journal.NewIntervalSet(j.log.State.Progress().Settled), b.Commit)
	}
	if err != nil {
		return c, false, fmt.Errorf("sink: folder %q: %w", l.run.folder, err)
	}
	j.absorbed = b.Extra
	return b.Commit, ok, nil
}
