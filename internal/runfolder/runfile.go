package runfolder

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// MaxRunFile is how many bytes run.json may have.
const MaxRunFile = 1 << 20

// RunFile is run.json: what runs. It is written before the first item is read.
type RunFile struct {
	Format        int             `json:"format"`
	Library       string          `json:"library"`
	Writer        string          `json:"writer"`
	Journal       bool            `json:"journal,omitempty"`
	RunID         string          `json:"runId"`
	Source        string          `json:"source,omitempty"`
	SourceBase64  string          `json:"sourceBase64,omitempty"`
	Version       string          `json:"version,omitempty"`
	VersionBase64 string          `json:"versionBase64,omitempty"`
	MaxItems      int64           `json:"maxItems,omitempty"`
	Batch         Batch           `json:"batch,omitzero"`
	Records       string          `json:"records,omitempty"`
	Inputs        string          `json:"inputs,omitempty"`
	Started       time.Time       `json:"started"`
	Options       json.RawMessage `json:"options,omitempty"`
}

// Batch is how items are grouped into calls.
type Batch struct {
	Items int   `json:"items,omitempty"`
	Bytes int64 `json:"bytes,omitempty"`
	Wait  int64 `json:"wait,omitempty"`
}

func (f *RunFile) fields() []twin {
	return []twin{{&f.Source, &f.SourceBase64}, {&f.Version, &f.VersionBase64}}
}

// EncodeRunFile is the content of run.json. It sets f.Format.
func EncodeRunFile(f RunFile) ([]byte, error) {
	f.Format = Format
	encode(f.fields()...)
	content, err := json.MarshalIndent(f, "", "  ")
	return append(content, '\n'), err
}

// DecodeRunFile reads and checks the run.json of the run runID.
func DecodeRunFile(content []byte, runID string) (*RunFile, error) {
	f := new(RunFile)
	if err := json.Unmarshal(content, f); err != nil {
		return nil, err
	}
	if err := checkFormat(f.Format); err != nil {
		return nil, err
	}
	if f.RunID != runID {
		return nil, fmt.Errorf("run file belongs to run %q, not to %q", f.RunID, runID)
	}
	if err := errors.Join(decode(f.fields()...), checkLimits(f.MaxItems, int64(f.Batch.Items), f.Batch.Bytes, f.Batch.Wait)); err != nil {
		return nil, err
	}
	return f, nil
}
