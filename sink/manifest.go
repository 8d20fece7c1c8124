package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/publish"
)

// formatVersion is the version of everything in a run's folder. Readers refuse a larger one.
const formatVersion = 1

// Status is how a run has ended.
type Status string

// The ends of a run.
const (
	Succeeded Status = "SUCCEEDED" // all items settled, failures within tolerance
	Failed    Status = "FAILED"    // tolerance exceeded, or the source or a sink broke
	Canceled  Status = "CANCELED"  // by the caller
)

// Manifest is the record of a run that has ended: manifest.json. Its first three fields are those of Step Functions'
// manifest, and all its names are spelled as there; Stats and Unread are spelled as their own types say.
type Manifest struct {
	DestinationBucket string      `json:"DestinationBucket"` // BucketOptions.URL, without secrets
	MapRunArn         string      `json:"MapRunArn"`         // empty: only runs of Step Functions have one
	ResultFiles       ResultFiles `json:"ResultFiles"`

	Format    int         `json:"Format"` // version of the run's folder
	Library   string      `json:"Library"`
	Writer    string      `json:"Writer"` // unique: tells this manifest from any other
	RunID     string      `json:"RunID"`
	Parent    string      `json:"Parent,omitempty"` // of a redrive: the run that it goes on with
	Status    Status      `json:"Status"`
	Error     string      `json:"Error,omitempty"` // of the run, at most 4 KiB
	Source    string      `json:"Source,omitempty"`
	Records   Records     `json:"Records,omitempty"` // form of the SUCCEEDED records
	Started   time.Time   `json:"Started"`           // by the first process
	Stopped   time.Time   `json:"Stopped"`
	Commits   int64       `json:"Commits,omitempty"`   // in the run's journal
	Truncated bool        `json:"Truncated,omitempty"` // MaxItems ended the run before the source did
	Stats     dmap.Stats  `json:"Stats"`               // as the engine counts
	Unread    dmap.Unread `json:"Unread,omitzero"`
	Lost      []Lost      `json:"Lost,omitempty"` // records that could not be written
}

// ResultFiles lists the parts of a run, each kind in the order in which the parts were begun.
type ResultFiles struct {
	Failed    []Part `json:"FAILED"`
	Pending   []Part `json:"PENDING"`
	Succeeded []Part `json:"SUCCEEDED"`
}

// Part is an object of records, one JSON value per line.
type Part struct {
	Key     string `json:"Key"` // whole, with the prefix
	Size    int64  `json:"Size"`
	Records int64  `json:"Records"`
	SHA256  string `json:"SHA256"` // of the object, hexadecimal

	seq int // order of beginning
}

// status tells a run that was cancelled from one that failed: what the engine itself reports has its own types.
func status(err error) Status {
	var tolerance *dmap.ToleranceError
	var source *dmap.SourceError
	var sink *dmap.SinkError
	switch {
	case err == nil:
		return Succeeded
	case errors.As(err, &tolerance), errors.As(err, &source), errors.As(err, &sink), errors.Is(err, dmap.ErrInternal):
		return Failed
	default:
		return Canceled
	}
}

const manifestName = "manifest.json"

func publishManifest(ctx context.Context, bucket *blob.Bucket, folder string, m *Manifest) error {
	content, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("sink: encode %q: %w", folder+manifestName, err)
	}
	return publish.Create(ctx, bucket, folder+manifestName, "application/json", append(content, '\n'))
}

// Bounds of what a manifest may be: its text comes from a bucket that others may write to.
const (
	maxManifest = 256 << 20
	maxParts    = 1_000_000
	maxPart     = 16 << 30
)

// LoadManifest reads the manifest of a run from where [Bucket] has written it. ErrNoManifest: the run has not ended, or
// there is none of that name. Parts outside the run's folder, or named twice, are refused.
func LoadManifest(ctx context.Context, bucket *blob.Bucket, prefix, runID string) (*Manifest, error) {
	if err := checkPrefix(prefix); err != nil {
		return nil, err
	}
	folder, err := runFolder(prefix, runID)
	if err != nil {
		return nil, err
	}
	return loadManifest(ctx, bucket, folder, runID)
}

func loadManifest(ctx context.Context, bucket *blob.Bucket, folder, runID string) (*Manifest, error) {
	key := folder + manifestName
	content, err := publish.Read(ctx, bucket, key, maxManifest)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, fmt.Errorf("sink: %w: %w", ErrNoManifest, err)
	}
	if err != nil {
		return nil, fmt.Errorf("sink: manifest: %w", err)
	}
	m := new(Manifest)
	if err := json.Unmarshal(content, m); err != nil {
		return nil, fmt.Errorf("sink: manifest %q: %w", key, err)
	}
	if err := m.check(folder, runID); err != nil {
		return nil, fmt.Errorf("sink: manifest %q: %w", key, err)
	}
	return m, nil
}

// check refuses what this version cannot read and what no run writes.
func (m *Manifest) check(folder, runID string) error {
	if err := checkFormat(m.Format); err != nil {
		return err
	}
	if m.RunID != runID {
		return fmt.Errorf("it is of run %q", m.RunID)
	}
	seen := map[string]bool{}
	for _, list := range [][]Part{m.ResultFiles.Failed, m.ResultFiles.Pending, m.ResultFiles.Succeeded} {
		if len(seen)+len(list) > maxParts {
			return fmt.Errorf("more than %d parts", maxParts)
		}
		for _, p := range list {
			name, inside := strings.CutPrefix(p.Key, folder)
			switch {
			case !inside || strings.Contains(name, "/") || !strings.HasSuffix(name, ".jsonl") || name == ".jsonl":
				return fmt.Errorf("part %q is not one of folder %q", p.Key, folder)
			case seen[p.Key]:
				return fmt.Errorf("part %q is named twice", p.Key)
			case p.Size < 0 || p.Size > maxPart || p.Records < 0:
				return fmt.Errorf("part %q: size %d, records %d", p.Key, p.Size, p.Records)
			}
			seen[p.Key] = true
		}
	}
	return nil
}

// libraryVersion is the version of this module in the running program.
func libraryVersion() string {
	const module = "github.com/go-dmap/dmap"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if info.Main.Path == module {
		return info.Main.Version
	}
	for _, m := range info.Deps {
		if m.Path == module {
			return m.Version
		}
	}
	return "unknown"
}
