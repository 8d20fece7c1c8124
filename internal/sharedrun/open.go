package sharedrun

import (
	"errors"
	"fmt"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/guard"
)

// ErrOpen says that a host has nothing more to do, but the run is open: the error names the rest.
// dmap.Map with the same RunID continues it, or another host.
var ErrOpen = errors.New("the run is open for another host")

// OpenError is why a host leaves a run open. It matches ErrOpen, and the errors that dmap.Map has
// for the same reason. It is plain data, so that it may go from one machine to another.
type OpenError struct {
	Reason string      `json:"reason,omitempty"` // dmap.Stats.Reason; empty: none of them fits
	Text   string      `json:"text,omitempty"`   // more about it
	Held   int64       `json:"held,omitempty"`   // items, with the reason "held"
	Spent  coord.Spent `json:"spent,omitzero"`   // with the reasons "budget" and "total budget"
	Empty  bool        `json:"empty,omitempty"`  // with the reason "source": a listing has no objects
	Source string      `json:"source,omitempty"` // its name
}

func (e *OpenError) Error() string {
	text := "the run is open"
	for _, err := range e.reasons() {
		if err != ErrOpen && err != dmap.ErrOpen {
			text += ": " + guard.Text(err, mostText)
		}
	}
	if e.Reason == "total budget" {
		text += "; raise Options.TotalBudget." + e.Spent.Field + ", and call again with the same RunID"
	}
	return text
}

func spentError(s coord.Spent) error {
	return &dmap.BudgetError{Total: s.Total, Field: s.Field, Budget: s.Budget, Used: s.Used}
}

// Unwrap returns ErrOpen, and the errors of dmap.Map.
func (e *OpenError) Unwrap() []error { return e.reasons() }

func (e *OpenError) reasons() []error {
	switch {
	case e.Reason == "held":
		return []error{ErrOpen, &dmap.HeldError{Held: e.Held}}
	case e.Reason == "budget":
		return []error{ErrOpen, dmap.ErrOpen, spentError(e.Spent)}
	case e.Reason == "total budget": // the same call does not continue the run
		return []error{ErrOpen, spentError(e.Spent)}
	case e.Reason == "suspended":
		return []error{ErrOpen, dmap.ErrOpen, dmap.ErrSuspended}
	case e.Empty:
		return []error{ErrOpen, dmap.ErrOpen, &dmap.SourceError{Source: e.Source, Err: &emptyError{e.Text}}}
	default:
		return []error{ErrOpen, dmap.ErrOpen, errors.New(e.Text)}
	}
}

// emptyError is the error of a listing without objects, by its text.
type emptyError struct{ text string }

func (e *emptyError) Error() string { return e.text }

// Is reports whether target is dmap.ErrNoObjects.
func (e *emptyError) Is(target error) bool { return target == dmap.ErrNoObjects }

// mostText bounds the text of an OpenError.
const mostText = 4 << 10

// sourceOpen is the OpenError of a part of the source that no lease could settle.
func (m *Machine[T, R]) sourceOpen(part dmap.Split, err error) *OpenError {
	if guard.Is(err, dmap.ErrNoObjects) {
		return &OpenError{Reason: "source", Source: m.spec.Source, Empty: true, Text: guard.Text(err, mostText)}
	}
	text := fmt.Sprintf("%s: no lease has settled split %q from %v to %v: %s", m.spec.Source, part.ID, part.From, part.To, guard.Text(err, mostText))
	return &OpenError{Reason: "source", Text: text}
}
