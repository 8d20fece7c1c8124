package dmap

import (
	"strings"
	"time"

	"github.com/go-dmap/dmap/internal/scrub"
)

// Decision is what a person decided about a held item. The texts come from outside: they are
// bounded, and without control characters and secrets that dmap knows by their form.
type Decision struct {
	Approved bool
	By       string    // who decided, at most 256 bytes; empty: the decision does not say
	At       time.Time // when the store got the decision, by its clock
	Note     string    // at most 4 KiB
	Reason   string    // of the hold
	Holds    int       // how often the item was held so far, from 1
}

// RejectedError is the error of a held item that a person rejected. A redrive takes the item only
// if Redrive.Classes names the class "rejected".
type RejectedError struct{ Decision Decision }

func (e *RejectedError) Error() string {
	var b strings.Builder
	b.WriteString("rejected")
	if by := e.Decision.By; by != "" {
		b.WriteString(" by " + scrub.Word(by))
	}
	if note := e.Decision.Note; note != "" {
		b.WriteString(": " + note)
	}
	if reason := e.Decision.Reason; reason != "" {
		b.WriteString(" (it was held: " + reason + ")")
	}
	return b.String()
}

// Class returns "rejected".
func (e *RejectedError) Class() string { return "rejected" }
