package dmap

import (
	"errors"
	"fmt"

	"github.com/go-dmap/dmap/internal/attention"
)

// itemCause is the cause of an item's failure inside the error of a run. It matches all that the
// cause matches, except the errors of runs: an item's function may run a nested run, whose end is
// not that of this run.
type itemCause struct{ err error }

func (c *itemCause) Error() string { return c.err.Error() }

// Is reports whether the cause matches target, which is no error of a run.
func (c *itemCause) Is(target error) bool {
	switch target {
	case ErrOpen, ErrEnded, ErrFenced, ErrSpecChanged, ErrSuspended, ErrTolerance, ErrCanceled, ErrInternal, ErrNoObjects:
		return false
	}
	return errors.Is(c.err, target)
}

// As finds the first error of the type of target in the cause, unless it is one of a run.
func (c *itemCause) As(target any) bool {
	switch target.(type) {
	case **runError, **callError, **ToleranceError, **SourceError, **SinkError, **SpecError, **attention.Error:
		return false
	}
	return errors.As(c.err, target)
}

// ItemError is the failure of one item.
type ItemError struct {
	Info
	Err error
}

func (e *ItemError) Error() string { return fmt.Sprintf("%s: %s", e.ID(), errorText(e.Err)) }

// Unwrap returns the cause without the errors of nested runs in it: see Err for all of it.
func (e *ItemError) Unwrap() error {
	if e.Err == nil {
		return nil
	}
	return &itemCause{e.Err}
}
