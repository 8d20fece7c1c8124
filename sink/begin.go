package sink

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// newRun starts to serve a run.
func (f *BucketSink[R]) newRun(b dmap.RunSpec) (*run, error) {
	if f.wrong != nil {
		return nil, f.wrong
	}
	folder, err := runfolder.Folder(f.prefix, b.RunID)
	if err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	writer := rand.Text()[:16] // 80 bits
	r := &run{
		spec: b, folder: folder, writer: writer,
		parts: newParts(f.bucket, folder, writer, f.opts), groups: newGroups(), encoders: newEncoders(f.opts, b.Options.Redact),
	}
	if !f.run.CompareAndSwap(nil, r) {
		return nil, fmt.Errorf("sink: folder %q: this sink is already writing a run", folder)
	}
	f.stored.Store(0)
	r.parts.stored = &f.stored
	return r, nil
}

// Begin creates run.json in the folder of the run, unless OpenJournal has. ErrRunExists: there is
// one already.
func (f *BucketSink[R]) Begin(ctx context.Context, b dmap.RunSpec) error {
	if r := f.run.Load(); r != nil && r.journal != nil && !r.began && r.spec.RunID == b.RunID {
		r.began = true
		return nil
	}
	r, err := f.newRun(b)
	if err != nil {
		return err
	}
	if err = f.beginFile(ctx, r, b.Resumed); err != nil {
		f.run.Store(nil)
		return err
	}
	r.began = true
	return nil
}

// beginFile creates run.json, or finds it in a run that resumes from a journal that is elsewhere.
func (f *BucketSink[R]) beginFile(ctx context.Context, r *run, resumed bool) error {
	if resumed {
		file, err := f.loadRunFile(ctx, r)
		if err != nil {
			return err
		}
		if file != nil {
			with := &begunWith{file.Version, file.Batch}
			if r.spec.Redrive > 0 {
				with = nil // the sink that keeps the journal knows what the redrive was begun with
			}
			if err := f.resumeFile(r, file); err != nil {
				return err
			}
			return f.sameSpec(r, file, with)
		}
	}
	return r.explainCreate(f.createRunFile(ctx, r), ErrRunExists)
}
