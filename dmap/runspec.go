package dmap

import (
	"fmt"
	"time"

	"github.com/go-dmap/dmap/batch"
)

// RunSpec describes a run that starts.
type RunSpec struct {
	RunID   string       `json:"runId"`
	Source  string       `json:"source,omitempty"` // the source's String, if it has one
	Started time.Time    `json:"started"`          // of this process
	Options Options      `json:"options"`
	Batch   batch.Limits `json:"batch,omitzero"`
	Resumed bool         `json:"-"` // an earlier process began the run
	Redrive int          `json:"-"` // number of the redrive that the run is in; 0: none
}

// Differs names the fields of s and old that must not differ when a run resumes, with both values.
// Concurrency, retries, timeouts and tolerance may differ.
func (s RunSpec) Differs(old RunSpec) []string {
	var fields []string
	field := func(name string, now, then any) {
		if now != then {
			fields = append(fields, fmt.Sprintf("%s: %v, begun with %v", name, now, then))
		}
	}
	field("source", s.Source, old.Source)
	field("MaxItems", s.Options.MaxItems, old.Options.MaxItems)
	field("Version", s.Options.Version, old.Options.Version)
	field("batch", s.Batch, old.Batch)
	return fields
}
