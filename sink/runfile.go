package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/publish"
)

// runFile is run.json.
type runFile struct {
	Format  int    `json:"format"`
	Writer  string `json:"writer"` // unique per process
	Library string `json:"library"`
	Journal bool   `json:"journal,omitempty"` // the folder holds the run's commits
	dmap.RunSpec
	Records Records `json:"records,omitempty"`
	Inputs  Inputs  `json:"inputs,omitempty"`
}

const maxRunFile = 1 << 20

func (r *run) runKey() string { return r.folder + "run.json" }

// createRunFile writes run.json. publish.ErrExists: there is one already.
func (f *Folder[R]) createRunFile(ctx context.Context, r *run) error {
	content, err := json.MarshalIndent(runFile{
		Format: formatVersion, Writer: r.writer, Library: libraryVersion(), Journal: r.book != nil,
		RunSpec: r.beginning, Records: f.opts.Records, Inputs: f.opts.Inputs,
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("sink: encode %q: %w", r.runKey(), err)
	}
	return publish.Create(ctx, f.bucket, r.runKey(), "application/json", append(content, '\n'))
}

// loadRunFile reads run.json, nil if there is none.
func (f *Folder[R]) loadRunFile(ctx context.Context, r *run) (*runFile, error) {
	content, err := publish.Read(ctx, f.bucket, r.runKey(), maxRunFile)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	file := new(runFile)
	if err = json.Unmarshal(content, file); err == nil {
		err = checkFormat(file.Format)
	}
	if err == nil && file.RunID != r.beginning.RunID {
		err = fmt.Errorf("it is of run %q", file.RunID)
	}
	if err != nil {
		return nil, fmt.Errorf("sink: %q: %w", r.runKey(), err)
	}
	return file, nil
}

// goOn makes r the run that file has begun, if that is the same one.
func (f *Folder[R]) goOn(r *run, file *runFile) error {
	if file.Journal != (r.book != nil) {
		return fmt.Errorf("sink: %w, which cannot be resumed from it: %q", ErrRunExists, r.folder)
	}
	fields := r.beginning.Differs(file.RunSpec)
	if f.opts.Records != file.Records {
		fields = append(fields, fmt.Sprintf("Records: %q, begun with %q", f.opts.Records, file.Records))
	}
	if f.opts.Inputs != file.Inputs {
		fields = append(fields, fmt.Sprintf("Inputs: %q, begun with %q", f.opts.Inputs, file.Inputs))
	}
	if len(fields) > 0 {
		return &dmap.SpecError{RunID: r.beginning.RunID, Fields: fields}
	}
	r.beginning.Started = file.Started
	return nil
}

// taken is err, in the words of a caller if run.json is there already.
func (r *run) taken(err, means error) error {
	if errors.Is(err, publish.ErrExists) {
		return fmt.Errorf("sink: %w: %q", means, r.folder)
	}
	return err
}

// checkFormat refuses what a newer version has written.
func checkFormat(format int) error {
	if format < 1 || format > formatVersion {
		return fmt.Errorf("format %d: this version reads 1 to %d", format, formatVersion)
	}
	return nil
}
