package results

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

// ErrNoRun says that there is no run of that name.
var ErrNoRun = runfolder.ErrNoRun

// Load reads the state of the run runID, which sink.Bucket writes with this bucket and prefix: that
// of its newest manifest if the run has ended, otherwise that of its commits. So it reads runs that
// a process works on, that a crash or a suspension left open, and that have ended, alike:
// Successes, Failures, Held and Pending yield the records that count now, each item once.
//
// ErrNoRun: there is no run of that name. ErrNoManifest: an Express run that has not ended, of
// which nothing counts. Any answer of the store that does not clearly say that an object is absent
// is an error. A manifest or a commit that names a part outside the run's folder, or one part
// twice, is refused.
func Load(ctx context.Context, bucket *blob.Bucket, prefix, runID string) (*Run, error) {
	if err := missing(ctx, bucket); err != nil {
		return nil, err
	}
	folder, err := runfolder.Folder(prefix, runID)
	if err != nil {
		return nil, fmt.Errorf("results: %w", err)
	}
	r, err := load(ctx, bucket, folder, runID)
	if err != nil {
		return nil, fmt.Errorf("results: run %q: %w", runID, err)
	}
	return r, nil
}

func load(ctx context.Context, bucket *blob.Bucket, folder, runID string) (*Run, error) {
	for {
		r, moved, err := look(ctx, bucket, folder, runID)
		if err != nil || !moved {
			return r, err
		}
	}
}

// look reads the state of a run. moved says that the run, or a redrive, has ended meanwhile: then
// its new manifest says more.
func look(ctx context.Context, bucket *blob.Bucket, folder, runID string) (r *Run, moved bool, err error) {
	var again *runfolder.RedriveFile
	m, err := runfolder.LoadManifest(ctx, bucket, folder, runID)
	if err != nil && !errors.Is(err, runfolder.ErrNoManifest) {
		return nil, false, err
	}
	absent, n := err, 0
	if err == nil {
		n = m.Redrive + 1
		again, err = runfolder.LoadRedrive(ctx, bucket, folder, runID, n)
		if err != nil || again == nil {
			return ended(m), false, err
		}
	}
	file, err := runfolder.LoadRunFile(ctx, bucket, folder, runID)
	switch {
	case err != nil:
		return nil, false, err
	case file == nil && m == nil:
		return nil, false, fmt.Errorf("%w: %w", ErrNoRun, absent)
	case file == nil:
		return nil, false, fmt.Errorf("%q is missing, redrive %d needs it", folder+runfolder.RunFileName, n)
	case !file.Journal:
		return nil, false, fmt.Errorf("an Express run: %w", absent)
	}
	commits, err := runfolder.LoadCommits(ctx, bucket, folder)
	if err != nil {
		return nil, false, err
	}
	there, err := runfolder.HasManifest(ctx, bucket, folder, n)
	if err != nil || there {
		return nil, there, err
	}
	r, err = open(folder, file, commits, m)
	if err != nil || again != nil && r.Redrive != n {
		return r, false, err
	}
	r.taken, err = takenLists(folder, again, commits)
	return r, false, err
}

// open is a run that is open, by its commits. before is the end that a redrive continues, nil if
// the run is not redriven.
func open(folder string, file *runfolder.RunFile, commits []runfolder.CommitRecord, before *runfolder.Manifest) (*Run, error) {
	begun := 0 // the latest redrive that counts
	for _, c := range commits {
		if c.Redrive != nil {
			begun = c.Redrive.Number
		}
	}
	if before != nil && begun <= before.Redrive { // it has begun, and nothing of it counts yet
		r := ended(before)
		r.Status, r.Error, r.Stopped = Open, "", time.Time{}
		r.Stats.State, r.Stats.Reason, r.Stats.Redrives = dmap.StateOpen, "", before.Redrive+1
		return r, nil
	}
	state, err := runfolder.CommittedParts(folder, commits)
	if err != nil {
		return nil, err
	}
	r := &Run{
		RunID: file.RunID, Status: Open, Source: file.Source, Records: file.Records, Started: file.Started,
		Library: file.Library, Writer: file.Writer, Stats: convert.CommittedStats(file, commits),
		SucceededParts: partsOf(state.Succeeded), FailedParts: partsOf(state.Failed), HeldParts: partsOf(state.Held),
		index: runfolder.CommittedGroups(commits),
	}
	r.settings(runfolder.CommittedEdits(commits), runfolder.CommittedTolerance(commits))
	r.Redrive, r.Stats.Redrives = begun, begun
	if n := len(commits); n > 0 {
		last := commits[n-1]
		r.Commits = last.Number + 1
		if last.Stop != nil {
			r.Stats.Reason, r.Error = last.Stop.Reason, last.Stop.Error
		}
	}
	return r, nil
}
