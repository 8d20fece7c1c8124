package sink

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/publish"
)

// runLog keeps the commits of a run beside its parts.
type runLog[R any] struct {
	f   *Folder[R]
	run *run
}

// book is what a run knows of its journal.
type book struct {
	folds folds // all that is written
	lock  *runLock
}

// OpenJournal creates the folder of the run, or reads how far the run in it has come. The engine calls it: it makes the run
// durable. Without a journal (BucketOptions.Express) the Log is nil. dmap.ErrFenced: another process works on the run.
func (f *Folder[R]) OpenJournal(ctx context.Context, spec dmap.RunSpec) (log journal.Log, p journal.Progress, ended *dmap.Ending, err error) {
	if f.opts.Express {
		return nil, p, nil, nil
	}
	r, err := f.newRun(spec)
	if err != nil {
		return nil, p, nil, err
	}
	r.book = new(book)
	l := &runLog[R]{f, r}
	if p, ended, err = f.open(ctx, r); err != nil {
		return nil, p, nil, errors.Join(err, l.Close())
	}
	return l, p, ended, nil
}

// open creates the folder of a new run, or reads how far the run in it has come.
func (f *Folder[R]) open(ctx context.Context, r *run) (p journal.Progress, ended *dmap.Ending, err error) {
	fresh, lockErr := f.claim(ctx, r)
	if lockErr != nil && !errors.Is(lockErr, dmap.ErrFenced) {
		return p, nil, lockErr
	}
	ended, err = f.ending(ctx, r) // also of a run that another process looks at in this moment
	if err != nil || ended != nil {
		p.Resumed = true
		return p, ended, err
	}
	if lockErr != nil {
		return p, nil, lockErr
	}
	if r.book.folds, err = loadCommits(ctx, f.bucket, r.folder); err != nil {
		return p, nil, err
	}
	if fresh && len(r.book.folds) > 0 {
		return p, nil, fmt.Errorf("sink: %w: folder %q", dmap.ErrFenced, r.folder)
	}
	p = r.book.folds.progress()
	p.Resumed = !fresh
	return p, nil, nil
}

// claim creates run.json, or finds that of the same run, and locks it where it is a file of this host.
func (f *Folder[R]) claim(ctx context.Context, r *run) (fresh bool, err error) {
	leave, err := f.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	file, err := f.loadRunFile(ctx, r)
	if err != nil {
		return false, err
	}
	if file != nil {
		err = f.goOn(r, file)
	} else {
		err = f.found(ctx, r)
	}
	if err != nil {
		return false, err
	}
	r.book.lock, err = f.lock(ctx, r)
	return file == nil, err
}

// found creates run.json, which was not there, unless the commits of another run are.
func (f *Folder[R]) found(ctx context.Context, r *run) error {
	newest, err := newestCommit(ctx, f.bucket, r.folder)
	if err != nil {
		return fmt.Errorf("before %q is created: %w", r.runKey(), err)
	}
	if newest < 0 {
		return r.taken(f.createRunFile(ctx, r), dmap.ErrFenced)
	}
	file, err := f.loadRunFile(ctx, r)
	if err != nil {
		return err
	}
	if file != nil { // since a moment
		return fmt.Errorf("sink: %w: folder %q", dmap.ErrFenced, r.folder)
	}
	return fmt.Errorf("sink: folder %q holds commits and no run.json", r.folder)
}

// ending is how the run has ended according to its manifest, nil if it has none.
func (f *Folder[R]) ending(ctx context.Context, r *run) (*dmap.Ending, error) {
	m, err := loadManifest(ctx, f.bucket, r.folder, r.beginning.RunID)
	if errors.Is(err, ErrNoManifest) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	end := &dmap.Ending{Stats: m.Stats, Unread: m.Unread}
	if m.Status != Succeeded {
		end.Err = fmt.Errorf("%w: %s: %s: see %q", dmap.ErrEnded, m.Status, m.Error, r.folder+manifestName)
	}
	return end, nil
}

// Append writes the next record.
func (l *runLog[R]) Append(ctx context.Context, c journal.Commit) error { return l.f.append(ctx, l.run, c) }

func (f *Folder[R]) append(ctx context.Context, r *run, c journal.Commit) error {
	if next := r.book.folds.next(); c.Number != next {
		return fmt.Errorf("sink: commit %d of %q: want %d", c.Number, r.folder, next)
	}
	if err := r.book.lock.check(ctx, f.bucket, r.runKey()); err != nil {
		return err
	}
	record, stay := r.book.folds.record(c)
	content, err := encodeCommit(r.writer, record)
	if err != nil {
		return fmt.Errorf("sink: encode commit %d of %q: %w", c.Number, r.folder, err)
	}
	key := r.folder + commitsIn + commitName(c.Number)
	err = publish.Create(ctx, f.bucket, key, "application/json", content)
	if errors.Is(err, publish.ErrExists) {
		return fmt.Errorf("sink: %w: %q", dmap.ErrFenced, key)
	}
	if err != nil {
		return err
	}
	r.book.folds = append(r.book.folds[:stay], record)
	r.parts.count()
	return nil
}

// Close lets another process resume the run.
func (l *runLog[R]) Close() error {
	l.f.run.CompareAndSwap(l.run, nil)
	return l.run.book.lock.release()
}
