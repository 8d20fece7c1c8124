package results

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// Sizes of the files in Step Functions' layout. Their own limit is 5 GB, but a file is held in
// memory here.
const (
	DefaultFileBytes = 64 << 20
	MaxFileBytes     = 1 << 30
)

const stepFunctionsManifest = "manifest.json"

// ExportOptions shape what [ExportStepFunctions] writes. The zero value is valid.
type ExportOptions struct {
	// URL names the bucket for DestinationBucket. Empty: the one that the run's manifest names.
	URL string
	// ARN is what the ARNs begin with. Empty: "arn:aws:states:local:000000000000".
	ARN string
	// StateMachine and Label name the map in the ARNs. Empty: "dmap" and "Map".
	StateMachine, Label string
	// Lines writes JSON lines instead of one JSON array per file; the names end in .json either
	// way, as theirs do.
	Lines bool
	// FileBytes is the size at which the next file is begun, at most MaxFileBytes. 0:
	// DefaultFileBytes.
	FileBytes int64
}

// ExportStepFunctions writes the results of an ended run in the layout of a Step Functions Map Run,
// for programs that read that layout: prefix/<run ID>/SUCCEEDED_0.json and so on, then
// manifest.json, whose key it returns. The content depends on nothing but the run and the options,
// so an interrupted export can be repeated; other content is never overwritten.
//
// Records of Full runs become whole ones; those of Compact and Flatten hold outputs, as they do
// there. Items are not executions: Name is made of the item's ID, StartDate is that of the run, and
// StopDate is StartDate plus the duration of the last call. Held items are PENDING there, with the
// reason as Cause.
func ExportStepFunctions(ctx context.Context, from *blob.Bucket, m *Run, to *blob.Bucket, prefix string, options ...ExportOptions) (manifestKey string, err error) {
	if err := m.missing(ctx, from); err != nil {
		return "", err
	}
	x, err := newExport(from, m, to, prefix, options)
	if err != nil {
		return "", err
	}
	var files [runfolder.Kinds][]exportedFile
	for _, kind := range []runfolder.Kind{runfolder.Succeeded, runfolder.Failed, runfolder.Pending} {
		if files[kind], err = x.write(ctx, kind); err != nil {
			return "", err
		}
	}
	content, err := json.Marshal(exportedManifest{
		DestinationBucket: x.options.URL, MapRunArn: x.arn("mapRun", m.RunID),
		ResultFiles: exportedFiles{Failed: files[runfolder.Failed], Pending: files[runfolder.Pending], Succeeded: files[runfolder.Succeeded]},
	})
	if err != nil {
		return "", fmt.Errorf("results: encode %q: %w", x.folder+stepFunctionsManifest, err)
	}
	return x.folder + stepFunctionsManifest, publish.Create(ctx, to, x.folder+stepFunctionsManifest, "application/json", content)
}

// exportedManifest is Step Functions' manifest.
type exportedManifest struct {
	DestinationBucket, MapRunArn string
	ResultFiles                  exportedFiles
}

type exportedFiles struct {
	Failed    []exportedFile `json:"FAILED"`
	Pending   []exportedFile `json:"PENDING"`
	Succeeded []exportedFile `json:"SUCCEEDED"`
}

type exportedFile struct {
	Key  string
	Size int64
}

// export turns the records of one run into files.
type export struct {
	from, to *blob.Bucket
	manifest *Run
	folder   string // of the files
	options  ExportOptions
}

func newExport(from *blob.Bucket, m *Run, to *blob.Bucket, prefix string, options []ExportOptions) (*export, error) {
	if to == nil {
		return nil, errors.New("results: export: the bucket to write to is nil")
	}
	if len(options) > 1 {
		return nil, fmt.Errorf("results: %d ExportOptions: want at most one", len(options))
	}
	if m.Status == Open {
		return nil, fmt.Errorf("results: export: run %q has not ended: resume it, or end it with sink.End", m.RunID)
	}
	x := &export{from: from, to: to, manifest: m}
	if len(options) > 0 {
		x.options = options[0]
	}
	if n := x.options.FileBytes; n < 0 || n > MaxFileBytes {
		return nil, fmt.Errorf("results: ExportOptions.FileBytes %d: want 0 to %d", n, MaxFileBytes)
	}
	x.options.FileBytes = cmp.Or(x.options.FileBytes, DefaultFileBytes)
	url, err := runfolder.Location(cmp.Or(x.options.URL, m.Bucket))
	if err != nil {
		return nil, fmt.Errorf("results: ExportOptions.URL: %w", err)
	}
	x.options.URL = url
	folder, err := runfolder.Folder(prefix, m.RunID)
	if err != nil {
		return nil, fmt.Errorf("results: export: %w", err)
	}
	x.folder = folder
	for kind := range runfolder.Kinds {
		for _, p := range m.parts(kind) {
			if from == to && strings.HasPrefix(p.Key, folder) {
				return nil, fmt.Errorf("results: export into %q, the folder of the run itself", folder)
			}
		}
	}
	return x, nil
}

// arn names a thing of the map.
func (x *export) arn(resource, name string) string {
	arn := cmp.Or(x.options.ARN, "arn:aws:states:local:000000000000") + ":" + resource + ":" +
		cmp.Or(x.options.StateMachine, "dmap") + "/" + cmp.Or(x.options.Label, "Map")
	if name != "" {
		arn += ":" + name
	}
	return arn
}

// write writes the files of one kind.
func (x *export) write(ctx context.Context, kind runfolder.Kind) ([]exportedFile, error) {
	files := []exportedFile{}
	var buf bytes.Buffer
	flush := func() error {
		if buf.Len() == 0 {
			return nil
		}
		if !x.options.Lines {
			buf.WriteByte(']')
		}
		key := fmt.Sprintf("%s%v_%d.json", x.folder, kind, len(files))
		files = append(files, exportedFile{key, int64(buf.Len())})
		err := publish.Create(ctx, x.to, key, "application/json", buf.Bytes())
		buf.Reset()
		return err
	}
	form := func(line []byte) ([]byte, error) { return x.record(kind, line) }
	if kind == runfolder.Succeeded && x.manifest.Records != "" {
		form = func(line []byte) ([]byte, error) { return line, nil }
	}
	parts := x.manifest.parts(kind)
	if kind == runfolder.Pending {
		parts = slices.Concat(parts, x.manifest.HeldParts)
	}
	for record, err := range records(ctx, x.from, parts, form) {
		if err != nil {
			return nil, err
		}
		if int64(buf.Len()+len(record)) > x.options.FileBytes {
			if err := flush(); err != nil {
				return nil, err
			}
		}
		x.add(&buf, record)
	}
	return files, flush()
}

// add adds a record to a file.
func (x *export) add(buf *bytes.Buffer, record []byte) {
	switch {
	case x.options.Lines:
	case buf.Len() == 0:
		buf.WriteByte('[')
	default:
		buf.WriteByte(',')
	}
	buf.Write(record)
	if x.options.Lines {
		buf.WriteByte('\n')
	}
}

// execution is the record of a child execution: its fields in the order of their names.
type execution struct {
	Cause               string `json:",omitempty"`
	Error               string `json:",omitempty"`
	ExecutionArn        string
	Input               string `json:",omitempty"` // JSON text
	InputDetails        included
	Name                string
	Output              string    `json:",omitempty"` // JSON text
	OutputDetails       *included `json:",omitempty"`
	RedriveCount        int
	RedriveStatus       string
	RedriveStatusReason string `json:",omitempty"`
	StartDate           string `json:",omitempty"`
	StateMachineArn     string
	Status              string
	StopDate            string `json:",omitempty"`
}

type included struct{ Included bool }

// exportDate is how Step Functions writes a time.
const exportDate = "2006-01-02T15:04:05.000Z"

// record turns a line of a part into the record of a child.
func (x *export) record(kind runfolder.Kind, line []byte) ([]byte, error) {
	r, err := runfolder.DecodeRecord(line)
	if err != nil {
		return nil, err
	}
	name := childName(x.manifest.RunID, r.ID)
	e := execution{
		ExecutionArn: x.arn("execution", name), StateMachineArn: x.arn("stateMachine", ""), Name: name,
		Input: string(r.Input), InputDetails: included{r.Input != nil},
		Error: r.Class, Cause: cmp.Or(r.Error, r.Reason), Status: kind.String(), RedriveStatus: "REDRIVABLE",
	}
	if kind != runfolder.Pending {
		start := x.manifest.Started.UTC()
		e.StartDate, e.StopDate = start.Format(exportDate), start.Add(time.Duration(r.Elapsed)).Format(exportDate)
	}
	switch {
	case kind == runfolder.Succeeded:
		e.Output, e.OutputDetails = string(r.Output), &included{true}
		e.RedriveStatus, e.RedriveStatusReason = "NOT_REDRIVABLE", "Execution is SUCCEEDED and cannot be redriven"
	case kind == runfolder.Failed && r.Class == "timeout":
		e.Error, e.Status = "States.Timeout", "TIMED_OUT"
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(e); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'}), nil
}

// childName is a UUID that is the same for every export of the item's outcome in the run.
func childName(runID, itemID string) string {
	id, err := hex.DecodeString(dmap.IdempotencyKey(runID, itemID))
	if err != nil || len(id) != 16 {
		return itemID
	}
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // version 8, made by us, of the usual variant
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
