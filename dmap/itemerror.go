package dmap

import (
	"fmt"

	"github.com/go-dmap/dmap/internal/attention"
	"github.com/go-dmap/dmap/internal/errtext"
	"github.com/go-dmap/dmap/internal/guard"
)

// itemCause is the cause of an item's failure inside the error of a run. It matches all that the
// cause matches, except the errors of runs: an item's function may run a nested run, whose end is
// not that of this run.
type itemCause struct{ err error }

func (c *itemCause) Error() string { return errorText(c.err) }

// Is reports whether the cause matches target, which is no error of a run.
func (c *itemCause) Is(target error) bool {
	switch target {
	case ErrOpen, ErrEnded, ErrFenced, ErrSpecChanged, ErrSuspended, ErrTolerance, ErrCanceled, ErrInternal, ErrNoObjects,
		ErrBudget, ErrHeld:
		return false
	}
	return guard.Is(c.err, target)
}

// As finds the first error of the type of target in the cause, unless it is one of a run.
func (c *itemCause) As(target any) bool {
	switch target.(type) {
	case **runError, **callError, **ToleranceError, **SourceError, **SinkError, **SpecError, **BudgetError, **HeldError,
		**attention.Error:
		return false
	}
	return guard.AsTarget(c.err, target)
}

// ItemError is the failure of one item.
type ItemError struct {
	Info
	Err error

	text string // of the whole error, by the rules of the run; empty: Error makes it
}

// Error names the item and the cause, without secrets and control characters, and in at most 6 KiB.
func (e *ItemError) Error() string {
	if e.text != "" {
		return e.text
	}
	return e.shown(nil, maxShown)
}

// shown is the text of e by rules, with at most most bytes of the cause.
func (e *ItemError) shown(rules *errtext.Rules, most int) string {
	return fmt.Sprintf("%s: %s", shownID(rules, &e.Info), rules.Text(e.Err, e.Key, most))
}

// shownID is the ID of an item in texts and log lines.
func shownID(rules *errtext.Rules, i *Info) string {
	return rules.ShownID(i.Key, i.Offset, i.Offset == WholeObject)
}

// Unwrap returns the cause without the errors of nested runs in it: see Err for all of it.
func (e *ItemError) Unwrap() error {
	if e.Err == nil {
		return nil
	}
	return &itemCause{e.Err}
}
