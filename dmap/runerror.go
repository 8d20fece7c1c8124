package dmap

import (
	"errors"
	"fmt"
	"strings"
)

// Errors of runs, for errors.Is.
var (
	// ErrOpen is matched by the error of every run that the same call resumes: its context ended,
	// it was suspended, its Budget is used up, its source or a sink broke. The error says why.
	// ErrFenced and ErrSpecChanged do not match it, nor does an error that a person must act on
	// first: ErrHeld, a used TotalBudget, a refused access, or a damaged file of the run.
	ErrOpen = errors.New("the run is open")

	// ErrHeld is matched by the error of a run that is open because items wait for a decision, and
	// nothing else is left to do. See HeldError.
	ErrHeld = errors.New("items wait for a decision")

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

// runError is the error of a run as the caller gets it.
type runError struct {
	runID string
	open  bool   // the same call resumes the run
	raise bool   // a call with a larger total budget resumes it
	next  string // the state of the run and the next step, with a space before it; empty: err says it
	text  string // of err, by the rules of the run
	err   error
}

func (e *runError) Error() string { return "dmap: run " + e.runID + e.next + ": " + e.text }

// Unwrap returns the reasons.
func (e *runError) Unwrap() error { return e.err }

// Is reports whether target is ErrOpen, if the same call resumes the run.
func (e *runError) Is(target error) bool { return e.open && target == ErrOpen }

// endingError is the error of a run as its sinks get it.
type endingError struct {
	text string // by the rules of the run
	err  error
}

// shown returns err with the text that it has by the rules of the run. shown(nil, ...) is nil.
func shown(err error, text string) error {
	if err == nil {
		return nil
	}
	return &endingError{text, err}
}

func (e *endingError) Error() string { return e.text }

// Unwrap returns the reasons.
func (e *endingError) Unwrap() error { return e.err }

// callError says that the arguments or the options of a call are wrong.
type callError struct{ error }

func (e *callError) Unwrap() error { return e.error }
