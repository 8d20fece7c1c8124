package sink

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/attention"
	"github.com/go-dmap/dmap/internal/commits"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

// runLog appends the commits of a run to its folder.
type runLog[R any] struct {
	f   *BucketSink[R]
	run *run
}

// OpenJournal creates the folder of the run, or reads how far the run in it has come. The engine
// calls it: it makes the run durable. Without a journal (BucketOptions.Express) the Log is nil.
// same is called before a redrive begins or continues, and prevents it by an error.
// dmap.ErrFenced: another process works on the run.
func (f *BucketSink[R]) OpenJournal(ctx context.Context, spec dmap.RunSpec, same func(context.Context, *journal.Progress) error) (log journal.Log, p journal.Progress, ended *dmap.Ending, err error) {
	if f.opts.Express {
		return nil, p, nil, nil
	}
	if ctx.Err() != nil {
		return nil, p, nil, context.Cause(ctx)
	}
	r, err := f.newRun(spec)
	if err != nil {
		return nil, p, nil, err
	}
	r.journal = newRunJournal(f, r, same)
	l := &runLog[R]{f, r}
	if p, ended, err = f.openFolder(ctx, r); err != nil {
		return nil, p, nil, errors.Join(err, l.Close())
	}
	return l, p, ended, nil
}

// openFolder creates the folder of a new run, or reads how far the run in it has come.
func (f *BucketSink[R]) openFolder(ctx context.Context, r *run) (p journal.Progress, ended *dmap.Ending, err error) {
	fresh, lockErr := f.claim(ctx, r)
	var unlocked *lockError
	if lockErr != nil && !errors.Is(lockErr, dmap.ErrFenced) && !errors.As(lockErr, &unlocked) {
		return p, nil, lockErr
	}
	// The end of a run needs no lock: another process may hold it to look at the end, too, and the
	// folder may be read-only.
	m, err := f.lastEnd(ctx, r)
	if err != nil {
		return p, nil, err
	}
	if m != nil {
		ended = f.storedEnd(r, m)
		p.Resumed = true
		if lockErr != nil || r.file == nil {
			return p, ended, nil
		}
		if err := f.sameSpec(r, r.file, nil); err != nil {
			return p, nil, err
		}
		if open, err := f.redrivable(ctx, r, m); err != nil || !open {
			return p, ended, err
		}
	}
	if lockErr != nil {
		return p, nil, lockErr
	}
	if err := r.journal.log.Reload(ctx); err != nil {
		return p, nil, fmt.Errorf("sink: %w", err)
	}
	state := r.journal.log.State
	if fresh && len(state) > 0 {
		return p, nil, fmt.Errorf("sink: %w: folder %q", dmap.ErrFenced, r.folder)
	}
	r.groups.replace(runfolder.CommittedGroups(state.Records()))
	p = state.Progress()
	p.Resumed = !fresh
	if m != nil {
		return f.continueRedrive(ctx, r, m, p, ended)
	}
	if r.file != nil {
		err = f.sameSpec(r, r.file, &begunWith{r.file.Version, r.file.Batch})
	}
	return p, nil, err
}

// continueRedrive is openFolder for a run that has ended with m and may be redriven.
func (f *BucketSink[R]) continueRedrive(ctx context.Context, r *run, m *runfolder.Manifest, p journal.Progress, ended *dmap.Ending) (journal.Progress, *dmap.Ending, error) {
	again, err := f.openRedrive(ctx, r, m, &p)
	if err != nil || again == nil {
		return p, ended, err
	}
	r.again = again
	return p, nil, again.progress(&p)
}

// claim creates run.json, or finds that of the run, and locks the folder if it is one of this host.
func (f *BucketSink[R]) claim(ctx context.Context, r *run) (fresh bool, err error) {
	file, err := f.findRunFile(ctx, r)
	if err != nil {
		return false, err
	}
	if r.journal.lock, err = lockFolder(ctx, f.bucket, r.folder); err != nil {
		return false, err
	}
	r.warnOfNetwork(ctx, f.bucket)
	if file == nil && publish.IsLocal(f.bucket) { // the last holder of the lock may have created it
		file, err = f.findRunFile(ctx, r)
	}
	if file == nil && err == nil {
		fresh = true
		err = f.createFolder(ctx, r)
	}
	if err != nil {
		return false, err
	}
	return fresh, r.journal.lock.openRunFile(ctx, f.bucket, r.runKey())
}

// findRunFile reads run.json and makes r its run; nil if there is none.
func (f *BucketSink[R]) findRunFile(ctx context.Context, r *run) (*runfolder.RunFile, error) {
	if err := publish.CheckRegular(ctx, f.bucket, r.runKey()); err != nil {
		return nil, fmt.Errorf("sink: folder %q: %w", r.folder, err)
	}
	file, err := f.loadRunFile(ctx, r)
	if err != nil || file == nil {
		return nil, err
	}
	return file, f.resumeFile(r, file)
}

// createFolder creates run.json, which was missing. A folder that holds commits without it is
// refused.
func (f *BucketSink[R]) createFolder(ctx context.Context, r *run) error {
	newest, err := runfolder.NewestCommit(ctx, f.bucket, r.folder)
	if err != nil {
		return fmt.Errorf("sink: before %q is created: %w", r.runKey(), err)
	}
	if newest < 0 {
		return r.explainCreate(f.createRunFile(ctx, r), dmap.ErrFenced)
	}
	file, err := f.loadRunFile(ctx, r)
	if err != nil {
		return err
	}
	if file != nil { // another process has just created it
		return fmt.Errorf("sink: %w: folder %q", dmap.ErrFenced, r.folder)
	}
	return attention.Mark(errCommitsWithoutRun(r.folder))
}

// lastEnd is the newest manifest of the run, nil if it has none.
func (f *BucketSink[R]) lastEnd(ctx context.Context, r *run) (*runfolder.Manifest, error) {
	m, err := runfolder.LoadManifest(ctx, f.bucket, r.folder, r.spec.RunID)
	if errors.Is(err, runfolder.ErrNoManifest) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	return m, nil
}

// storedEnd is the end of the run by its manifest.
func (f *BucketSink[R]) storedEnd(r *run, m *runfolder.Manifest) *dmap.Ending {
	return &dmap.Ending{
		Stats: convert.EndedStats(m), Unread: convert.Unread(m.Unread),
		Err: storedError(m, r.folder+runfolder.ManifestName(m.Redrive)),
	}
}

// storedError is what a call returns for a run that has ended, by the manifest under key: nil if it
// succeeded.
func storedError(m *runfolder.Manifest, key string) error {
	if m.Status == runfolder.StatusSucceeded {
		return nil
	}
	return &endedError{m.Status, m.Reason, m.Error, key}
}

// endedError is the stored end of a run that did not succeed. It matches dmap.ErrEnded, and what
// the call that ended the run returned: dmap.ErrTolerance or dmap.ErrCanceled.
type endedError struct{ status, reason, text, manifest string }

func (e *endedError) Error() string {
	redrive := "Options.Redrive"
	if e.status == runfolder.StatusCanceled {
		redrive += " with Canceled"
	}
	return fmt.Sprintf("%v, %s continues it: %s: %s: see %q", dmap.ErrEnded, redrive, e.status, e.text, e.manifest)
}

func (e *endedError) Is(target error) bool {
	switch target {
	case dmap.ErrEnded:
		return true
	case dmap.ErrTolerance:
		return e.reason == "tolerance"
	case dmap.ErrCanceled:
		return e.status == runfolder.StatusCanceled
	default:
		return false
	}
}

// Append writes the next record.
func (l *runLog[R]) Append(ctx context.Context, c journal.Commit) error {
	return l.f.append(ctx, l.run, c)
}

func (f *BucketSink[R]) append(ctx context.Context, r *run, c journal.Commit) error {
	if err := r.journal.lock.check(ctx, f.bucket, r.runKey()); err != nil {
		return err
	}
	err := r.journal.log.Append(ctx, c, r.extra(c))
	if guard.Is(err, publish.ErrExists) && c.Begins && r.journal.host() {
		return fmt.Errorf("sink: %w: folder %q: %w: %w", dmap.ErrFenced, r.folder, errShared, err)
	}
	if err != nil {
		return r.explainCreate(err, dmap.ErrFenced)
	}
	r.parts.promoteStaged()
	if c.Redrive != nil {
		r.groups.replace(runfolder.IndexOf(r.again.file.Groups))
	}
	r.groups.promoteStaged()
	if len(c.Absorbed) > 0 {
		r.groups.replace(runfolder.CommittedGroups(r.journal.log.State.Records()))
	}
	return nil
}

// extra is the rest of the record of c. A redrive begins with the groups of the failures that it
// leaves.
func (r *run) extra(c journal.Commit) commits.Extra {
	switch {
	case c.Redrive != nil:
		return commits.Extra{Groups: r.again.file.Groups, Regrouped: true}
	case len(c.Absorbed) > 0:
		return r.journal.absorbed
	default:
		return commits.Extra{Groups: r.groups.next()}
	}
}

// Close lets another process resume the run.
func (l *runLog[R]) Close() error {
	l.f.run.CompareAndSwap(l.run, nil)
	return l.run.journal.lock.release()
}
