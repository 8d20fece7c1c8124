package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
)

func (r *run) runKey() string { return r.folder + runfolder.RunFileName }

// createRunFile writes run.json. publish.ErrExists: there is one already.
func (f *BucketSink[R]) createRunFile(ctx context.Context, r *run) error {
	b := r.spec
	options, err := json.Marshal(b.Options)
	if err != nil {
		return fmt.Errorf("sink: encode the options for %q: %w", r.runKey(), err)
	}
	content, err := runfolder.EncodeRunFile(runfolder.RunFile{
		Writer: r.writer, Library: libraryVersion(), Journal: r.journal != nil,
		RunID: b.RunID, Parent: b.Options.Parent, Source: b.Source, Version: b.Options.Version, MaxItems: b.Options.MaxItems,
		Batch:   runfolder.Batch{Items: b.Batch.Items, Bytes: b.Batch.Bytes, Wait: b.Batch.Wait.Nanoseconds()},
		Records: string(f.opts.Records), Inputs: string(f.opts.Inputs), Started: runfolder.Time(b.Started), Options: options,
	})
	if err != nil {
		return fmt.Errorf("sink: encode %q: %w", r.runKey(), err)
	}
	return publish.Create(ctx, f.bucket, r.runKey(), "application/json", content)
}

// loadRunFile reads run.json, nil if there is none.
func (f *BucketSink[R]) loadRunFile(ctx context.Context, r *run) (*runfolder.RunFile, error) {
	file, err := runfolder.LoadRunFile(ctx, f.bucket, r.folder, r.spec.RunID)
	if err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	return file, nil
}

// specOf is what may not change when a run resumes, as its run file has it.
func specOf(file *runfolder.RunFile) dmap.RunSpec {
	return dmap.RunSpec{
		RunID: file.RunID, Source: file.Source, Started: file.Started,
		Options: dmap.Options{MaxItems: file.MaxItems, Version: file.Version},
		Batch:   batch.Limits{Items: file.Batch.Items, Bytes: file.Batch.Bytes, Wait: time.Duration(file.Batch.Wait)},
	}
}

// resumeFile makes r the run of file, if the specs of both agree.
func (f *BucketSink[R]) resumeFile(r *run, file *runfolder.RunFile) error {
	if file.Journal != (r.journal != nil) {
		return fmt.Errorf("sink: %w, which cannot be resumed from it: %q", ErrRunExists, r.folder)
	}
	fields := r.spec.Differs(specOf(file))
	if string(f.opts.Records) != file.Records {
		fields = append(fields, fmt.Sprintf("Records: %q, begun with %q", f.opts.Records, file.Records))
	}
	if string(f.opts.Inputs) != file.Inputs {
		fields = append(fields, fmt.Sprintf("Inputs: %q, begun with %q", f.opts.Inputs, file.Inputs))
	}
	if len(fields) > 0 {
		return &dmap.SpecError{RunID: r.spec.RunID, Fields: fields}
	}
	r.spec.Started = file.Started
	return nil
}

// explainExists returns err, or an error that wraps means if run.json exists already.
func (r *run) explainExists(err, means error) error {
	if errors.Is(err, publish.ErrExists) {
		return fmt.Errorf("sink: %w: %q", means, r.folder)
	}
	return err
}
