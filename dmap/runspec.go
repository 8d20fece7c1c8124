package dmap

import (
	"errors"
	"fmt"
	"strings"
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

// Errors that a durable run may end with, for errors.Is.
var (
	ErrFenced      = errors.New("another process has taken over this run")                // two processes, one RunID
	ErrSpecChanged = errors.New("the run was begun with another source or other options") // see SpecError
	ErrEnded       = errors.New("the run has ended already")                              // without success; a redrive may continue it
	ErrSuspended   = errors.New("run suspended")                                          // also a cause for the end of a context
)

// SpecError names the differences between a run and the call that tries to resume it. It matches
// ErrSpecChanged.
type SpecError struct {
	RunID  string
	Fields []string // such as "maxItems: 10, begun with 20"
}

func (e *SpecError) Error() string {
	fields := strings.Join(e.Fields, "; ")
	if e.redrivable() {
		return fmt.Sprintf("%v: %s: either call with the old one, or end the run with sink.End and redrive it with the new one",
			ErrSpecChanged, fields)
	}
	return fmt.Sprintf("%v: %s: restore them, or use another RunID", ErrSpecChanged, fields)
}

// redrivable reports whether a redrive accepts all differences: it may have another Version and
// other batches.
func (e *SpecError) redrivable() bool {
	for _, f := range e.Fields {
		if !strings.HasPrefix(f, "Version: ") && !strings.HasPrefix(f, "batch: ") {
			return false
		}
	}
	return len(e.Fields) > 0
}

// Is reports whether target is ErrSpecChanged.
func (e *SpecError) Is(target error) bool { return target == ErrSpecChanged }
