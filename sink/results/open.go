package results

import (
	"context"
	"errors"
	"fmt"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

// ErrNoRun says that there is no run of that name.
var ErrNoRun = runfolder.ErrNoRun

// Load reads the state of the run runID, which sink.Bucket writes with this bucket and prefix: that
// of its newest manifest if the run has ended, otherwise that of its commits. So it reads runs that
// a process works on, that a crash or a suspension left open, and that have ended, alike: Successes,
// Failures and Pending yield the records that count now, each item once.
//
// ErrNoRun: there is no run of that name. ErrNoManifest: an Express run that has not ended, of which
// nothing counts. Any answer of the store that does not clearly say that an object is absent is an
// error. A manifest or a commit that names a part outside the run's folder, or one part twice, is
// refused.
func Load(ctx context.Context, bucket *blob.Bucket, prefix, runID string) (*Run, error) {
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
	m, err := runfolder.LoadManifest(ctx, bucket, folder, runID)
	if err == nil {
		return ended(m), nil
	}
	if !errors.Is(err, runfolder.ErrNoManifest) {
		return nil, err
	}
	absent := err
	file, err := runfolder.LoadRunFile(ctx, bucket, folder, runID)
	switch {
	case err != nil:
		return nil, err
	case file == nil:
		return nil, fmt.Errorf("%w: %w", ErrNoRun, absent)
	case !file.Journal:
		return nil, fmt.Errorf("an Express run: %w", absent)
	}
	commits, err := runfolder.LoadCommits(ctx, bucket, folder)
	if err != nil {
		return nil, err
	}
	// The run may have ended since the first look: then its manifest says more.
	if m, err = runfolder.LoadManifest(ctx, bucket, folder, runID); err == nil {
		return ended(m), nil
	}
	if !errors.Is(err, runfolder.ErrNoManifest) {
		return nil, err
	}
	return open(folder, file, commits)
}

// open is a run without a manifest, by its commits.
func open(folder string, file *runfolder.RunFile, commits []runfolder.CommitRecord) (*Run, error) {
	state, err := runfolder.CommittedParts(folder, commits)
	if err != nil {
		return nil, err
	}
	r := &Run{
		RunID: file.RunID, Status: Open, Source: file.Source, Records: file.Records, Started: file.Started,
		Library: file.Library, Writer: file.Writer, Stats: convert.CommittedStats(file, commits),
		SucceededParts: partsOf(state.Succeeded), FailedParts: partsOf(state.Failed),
	}
	if n := len(commits); n > 0 {
		last := commits[n-1]
		r.Commits = last.Number + 1
		if last.Stop != nil {
			r.Stats.Reason, r.Error = last.Stop.Reason, last.Stop.Error
		}
	}
	return r, nil
}
