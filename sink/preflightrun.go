package sink

import (
	"context"
	"fmt"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/attention"
	"github.com/go-dmap/dmap/internal/commits"
	"github.com/go-dmap/dmap/internal/redrive"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

// lookAtRun tells how far the run in the folder has come. The error is the one that the call would
// get from the folder. It writes nothing and takes no lock, so another process may be working on
// the run.
func (f *BucketSink[R]) lookAtRun(ctx context.Context, spec dmap.RunSpec, folder string) (found string, err error) {
	r := &run{spec: spec, folder: folder}
	if !f.opts.Express {
		r.journal = &runJournal{}
	}
	if r.file, err = f.findRunFile(ctx, r); err != nil {
		return "", err
	}
	if r.file == nil {
		return f.lookWithoutRun(ctx, r)
	}
	if f.opts.Express { // each call begins a new run
		return "", fmt.Errorf("sink: %w: folder %q", ErrRunExists, folder)
	}
	m, err := f.lastEnd(ctx, r)
	if err != nil {
		return "", err
	}
	if m != nil {
		return f.lookAtEnd(ctx, r, m)
	}
	records, err := runfolder.LoadCommits(ctx, f.bucket, folder)
	if err != nil {
		return "", fmt.Errorf("sink: %w", err)
	}
	counts := commits.StateOf(records).Progress().Counts
	found = fmt.Sprintf("the run is open, with %d items settled: the call resumes it", counts.Taken)
	return found, f.sameSpec(r, r.file, &begunWith{r.file.Version, r.file.Batch})
}

// lookWithoutRun is lookAtRun for a folder without run.json.
func (f *BucketSink[R]) lookWithoutRun(ctx context.Context, r *run) (found string, err error) {
	newest, err := runfolder.NewestCommit(ctx, f.bucket, r.folder)
	switch {
	case err != nil:
		return "", fmt.Errorf("sink: %w", err)
	case newest >= 0:
		return "", attention.Mark(errCommitsWithoutRun(r.folder))
	}
	return "there is none: the call begins it", nil
}

// lookAtEnd is lookAtRun for a run that has ended with m.
func (f *BucketSink[R]) lookAtEnd(ctx context.Context, r *run, m *runfolder.Manifest) (found string, err error) {
	ended := fmt.Sprintf("the run has ended: %s", m.Status)
	file, err := runfolder.LoadRedrive(ctx, f.bucket, r.folder, r.spec.RunID, m.Redrive+1)
	if err != nil {
		return "", fmt.Errorf("sink: redrive %d: %w", m.Redrive+1, err)
	}
	if file != nil {
		found = fmt.Sprintf("redrive %d is open: the call continues it", file.Redrive)
		return found, f.sameSpec(r, r.file, &begunWith{file.Version, file.Batch})
	}
	if err := f.sameSpec(r, r.file, nil); err != nil {
		return "", err
	}
	last, err := f.earlierRedrive(ctx, r, m.Redrive)
	if err != nil {
		return "", err
	}
	u := m.Unread
	end := redrive.End{Status: m.Status, Failed: m.Stats.Failed}
	end.Done = m.Stats.Pending == 0 && (m.Stats.Truncated || len(u.Splits) == 0 && u.After == nil && !u.All)
	if last != nil {
		end.Made = last.Made
	}
	if redrive.Wants(convert.Choice(r.spec.Options.Redrive), end) {
		return ended + ": the call redrives it", nil
	}
	return ended + ": the call runs nothing and returns its Stats", storedError(m, r.folder+runfolder.ManifestName(m.Redrive))
}

// errCommitsWithoutRun refuses a folder that has lost its run.json.
func errCommitsWithoutRun(folder string) error {
	return fmt.Errorf("sink: folder %q holds commits and no run.json: restore run.json, or use another run ID", folder)
}
