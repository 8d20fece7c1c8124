package sink

import (
	"context"
	"fmt"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/redrive"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

// redrivable reports whether a run that has ended with m is being redriven, or whether the options
// of the call may begin a redrive. It costs little: most calls for an ended run end with it.
func (f *BucketSink[R]) redrivable(ctx context.Context, r *run, m *runfolder.Manifest) (bool, error) {
	if o := r.spec.Options.Redrive; o.Max > 0 || o.Limit > 0 {
		return true, nil
	}
	there, err := publish.Exists(ctx, f.bucket, r.folder+runfolder.RedriveName(m.Redrive+1))
	if err != nil {
		return false, fmt.Errorf("sink: redrive %d: %w", m.Redrive+1, err)
	}
	return there, nil
}

// openRedrive returns the redrive of a run that has ended with the manifest m: the one that was
// begun, or one that the options of the call begin now. nil: the run stays as it has ended. p is
// the progress of the whole run.
func (f *BucketSink[R]) openRedrive(ctx context.Context, r *run, m *runfolder.Manifest, p *journal.Progress) (*redriven, error) {
	n := m.Redrive + 1
	file, err := runfolder.LoadRedrive(ctx, f.bucket, r.folder, r.spec.RunID, n)
	if err != nil {
		return nil, fmt.Errorf("sink: redrive %d: %w", n, err)
	}
	choice := convert.Choice(r.spec.Options.Redrive)
	if file != nil {
		asked := choice.Max > 0 || choice.Limit > 0
		if asked && redrive.Differs(file.Choice, choice) {
			r.warn(ctx, "the redrive continues with the choice that it was begun with; the call has another",
				"redrive", n, "begun", file.Choice, "call", choice)
		}
		if err := f.sameSpec(r, r.file, &begunWith{file.Version, file.Batch}); err != nil {
			return nil, err
		}
		return &redriven{file: file, before: m}, r.journal.same(ctx, p)
	}
	last, err := f.earlierRedrive(ctx, r, m.Redrive)
	if err != nil {
		return nil, err
	}
	counted := last
	if p.Begun == nil {
		counted = nil
	} else if last != nil && p.Begun.Number < last.Redrive { // sink.End ended the last one before its begin
		if counted, err = f.earlierRedrive(ctx, r, p.Begun.Number); err != nil {
			return nil, err
		}
	}
	b := &redriveStart[R]{f: f, run: r, before: m, last: last, counted: counted, progress: p, choice: choice}
	if !redrive.Wants(choice, b.end()) {
		return nil, nil
	}
	if err := r.journal.same(ctx, p); err != nil {
		return nil, err
	}
	if file, err = b.begin(ctx); err != nil || file == nil {
		return nil, err
	}
	return &redriven{file: file, before: m}, nil
}

// earlierRedrive is the record of redrive n, which has begun; nil if n is 0.
func (f *BucketSink[R]) earlierRedrive(ctx context.Context, r *run, n int) (*runfolder.RedriveFile, error) {
	if n == 0 {
		return nil, nil
	}
	file, err := runfolder.LoadRedrive(ctx, f.bucket, r.folder, r.spec.RunID, n)
	if err == nil && file == nil {
		err = fmt.Errorf("%q is missing: restore it", r.folder+runfolder.RedriveName(n))
	}
	if err != nil {
		return nil, fmt.Errorf("sink: redrive %d: %w", n, err)
	}
	return file, nil
}
