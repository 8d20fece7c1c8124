package sink

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// createRunFile writes run.json. publish.ErrExists: there is one already. publish.ErrNotExclusive:
// two processes could both begin the run, and the run has a journal, which only one may append to.
func (f *BucketSink[R]) createRunFile(ctx context.Context, r *run) error {
	b := r.spec
	options, err := json.Marshal(b.Options)
	if err != nil {
		return fmt.Errorf("sink: encode the options for %q: %w", r.runKey(), err)
	}
	content, err := runfolder.EncodeRunFile(runfolder.RunFile{
		Writer: r.writer, Library: libraryVersion(), Journal: r.journal != nil,
		RunID: b.RunID, Source: b.Source, Version: b.Options.Version, MaxItems: b.Options.MaxItems,
		Batch:   storedBatch(b),
		Records: string(f.opts.Records), Inputs: string(f.opts.Inputs), Started: runfolder.Time(b.Started), Options: options,
	})
	if err != nil {
		return fmt.Errorf("sink: encode %q: %w", r.runKey(), err)
	}
	if r.journal == nil {
		return publish.Create(ctx, f.bucket, r.runKey(), "application/json", content)
	}
	return publish.Claim(ctx, f.bucket, r.runKey(), "application/json", content)
}

// loadRunFile reads run.json, nil if there is none.
func (f *BucketSink[R]) loadRunFile(ctx context.Context, r *run) (*runfolder.RunFile, error) {
	file, err := runfolder.LoadRunFile(ctx, f.bucket, r.folder, r.spec.RunID)
	if err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	return file, nil
}

// storedBatch are the batches of a run.
func storedBatch(b dmap.RunSpec) runfolder.Batch {
	return runfolder.Batch{Items: b.Batch.Items, Bytes: b.Batch.Bytes, Wait: b.Batch.Wait.Nanoseconds()}
}

// begunWith is what an open run, or an open redrive, was begun with and must be continued with.
type begunWith struct {
	version string
	batch   runfolder.Batch
}

// sameSpec refuses a call that differs from file in what may never change, or from with, unless
// that is nil: version and batches may change when a redrive begins.
func (f *BucketSink[R]) sameSpec(r *run, file *runfolder.RunFile, with *begunWith) error {
	old := r.spec
	old.Source, old.Options.MaxItems = file.Source, file.MaxItems
	if with != nil {
		b := with.batch
		old.Options.Version, old.Batch = with.version, batch.Limits{Items: b.Items, Bytes: b.Bytes, Wait: time.Duration(b.Wait)}
	}
	fields := r.spec.Differs(old)
	if string(f.opts.Records) != file.Records {
		fields = append(fields, fmt.Sprintf("Records: %q, begun with %q", f.opts.Records, file.Records))
	}
	if string(f.opts.Inputs) != file.Inputs {
		fields = append(fields, fmt.Sprintf("Inputs: %q, begun with %q", f.opts.Inputs, file.Inputs))
	}
	if len(fields) > 0 {
		return &dmap.SpecError{RunID: r.spec.RunID, Fields: fields}
	}
	return nil
}

// resumeFile makes r the run of file.
func (f *BucketSink[R]) resumeFile(r *run, file *runfolder.RunFile) error {
	if file.Journal != (r.journal != nil) {
		return fmt.Errorf("sink: %w, which cannot be resumed from it: %q", ErrRunExists, r.folder)
	}
	r.spec.Started = file.Started
	r.file = file
	return nil
}
