package runfolder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/attention"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/transient"
)

// RedriveFile is redrive-<n>.json: what redrive n takes up. It is written after all that it names
// and never changed, so a process that continues the redrive takes up the same.
type RedriveFile struct {
	Format        int         `json:"format"`
	Library       string      `json:"library"`
	Writer        string      `json:"writer"`
	RunID         string      `json:"runId"`
	Redrive       int         `json:"redrive"`
	Made          int         `json:"made"`
	Started       time.Time   `json:"started"`
	Version       string      `json:"version,omitempty"`
	VersionBase64 string      `json:"versionBase64,omitempty"`
	Batch         Batch       `json:"batch,omitzero"`
	Choice        Choice      `json:"choice"`
	Items         int64       `json:"items"`
	Dropped       []string    `json:"dropped,omitempty"`
	NotTaken      []Part      `json:"notTaken,omitempty"`
	Taken         []Part      `json:"taken,omitempty"`
	Waiting       []TakenPart `json:"waiting,omitempty"`
	Rest          int64       `json:"rest,omitempty"`
	Done          bool        `json:"done,omitempty"`
	Rests         []Split     `json:"rests,omitempty"`

	Groups []FailureGroup `json:"groups,omitempty"`
}

// Choice says which runs, and which of their failed items, a redrive takes.
type Choice struct {
	Max       int      `json:"max,omitempty"`
	Canceled  bool     `json:"canceled,omitempty"`
	Tolerated bool     `json:"tolerated,omitempty"`
	Classes   []string `json:"classes,omitempty"`
	Glob      string   `json:"glob,omitempty"`
	Limit     int64    `json:"limit,omitempty"`
	Match     bool     `json:"match,omitempty"`
	Groups    []string `json:"groups,omitempty"`
	Changed   bool     `json:"changed,omitempty"`
}

// TakenPart is a list of items that an earlier redrive took.
type TakenPart struct {
	Redrive int  `json:"redrive"`
	Part    Part `json:"part"`
}

func (f *RedriveFile) fields() []twin {
	all := append(groupFields(f.Groups), twin{&f.Version, &f.VersionBase64})
	for i := range f.Rests {
		all = append(all, f.Rests[i].fields()...)
	}
	return all
}

// EncodeRedriveFile is the content of redrive-<n>.json. It sets f.Format.
func EncodeRedriveFile(f RedriveFile) ([]byte, error) {
	f.Format = Format
	encode(f.fields()...)
	content, err := json.MarshalIndent(f, "", "  ")
	return append(content, '\n'), err
}

// DecodeRedriveFile reads and checks redrive-<n>.json of the run runID, whose parts lie in folder.
func DecodeRedriveFile(ctx context.Context, content []byte, folder, runID string, n int) (*RedriveFile, error) {
	f := new(RedriveFile)
	if err := decodeObject(ctx, content, f, map[string]func(*stream) error{
		"dropped":  listOf(&f.Dropped, MaxParts, "dropped part", decodedName),
		"notTaken": listOf(&f.NotTaken, MaxParts, "part", decodedPart),
		"groups":   groupList(&f.Groups),
		"taken":    listOf(&f.Taken, MaxParts, "part", decodedPart),
		"rests":    listOf(&f.Rests, maxElements, "rest", decodedSplit),
		"waiting":  listOf(&f.Waiting, MaxParts, "waiting part", func(_ []TakenPart, w *TakenPart) error { return decodedPart(nil, &w.Part) }),
	}); err != nil {
		return nil, err
	}
	if err := checkFormat(f.Format); err != nil {
		return nil, err
	}
	if f.RunID != runID || f.Redrive != n {
		return nil, fmt.Errorf("record belongs to redrive %d of run %q, not to redrive %d of %q", f.Redrive, f.RunID, n, runID)
	}
	if err := errors.Join(decode(f.fields()...), checkLimits(
		f.Choice.Limit, int64(f.Choice.Max), int64(f.Batch.Items), f.Batch.Bytes, f.Batch.Wait)); err != nil {
		return nil, err
	}
	return f, f.check(folder)
}

// check checks the parts.
func (f *RedriveFile) check(folder string) error {
	if err := errors.Join(checkCounts(f.Items, f.Rest, int64(f.Made)), CheckParts(folder, BucketState{Failed: f.NotTaken})); err != nil {
		return err
	}
	lists := f.Taken[:len(f.Taken):len(f.Taken)]
	for _, w := range f.Waiting {
		if w.Redrive < 1 || w.Redrive >= f.Redrive {
			return fmt.Errorf("part %q waits since redrive %d", w.Part.Key, w.Redrive)
		}
		lists = append(lists, w.Part)
	}
	if err := CheckLists(folder, lists); err != nil {
		return err
	}
	for _, key := range f.Dropped {
		if !Within(folder, key) {
			return fmt.Errorf("part %q: %w %q", key, ErrElsewhere, folder)
		}
	}
	return nil
}

// LoadRedrive reads the record that begins redrive n, nil if there is none.
func LoadRedrive(ctx context.Context, bucket *blob.Bucket, folder, runID string, n int) (*RedriveFile, error) {
	key := folder + RedriveName(n)
	content, err := publish.Read(ctx, bucket, key, MaxManifest)
	if transient.Absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f, err := DecodeRedriveFile(ctx, content, folder, runID, n)
	if err != nil {
		return nil, attention.Mark(fmt.Errorf("%q: %w", key, err))
	}
	return f, nil
}
