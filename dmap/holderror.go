package dmap

import (
	"fmt"
	"strings"

	"github.com/go-dmap/dmap/internal/scrub"
)

// HoldError is the error that Hold makes.
type HoldError struct {
	Reason string // at most 16 KiB of it
	holds  int    // how often the item is held, with this hold; set by the engine
}

func (e *HoldError) Error() string { return "held for a decision: " + scrub.Text(e.Reason, maxShown) }

// Class returns "held".
func (e *HoldError) Class() string { return "held" }

// Holds is the number of the hold, from 1, of an item that a run keeps: each hold needs a decision
// of its own. Outside a sink it is 0.
func (e *HoldError) Holds() int { return e.holds }

// notKeptError is the error of an item that was held in a run that cannot keep it. It hides the
// HoldError: the run may be that of a call, whose own item is not held.
type notKeptError struct{ reason string }

func (e *notKeptError) Error() string {
	return fmt.Sprintf("the function held the item, and no sink of the run keeps held items: "+
		"use sink.Bucket without Express: the reason was: %s", scrub.Text(e.reason, maxShown))
}

// Class returns "held".
func (e *notKeptError) Class() string { return "held" }

// HeldError says that items wait for a decision, and that nothing else of the run is left to do. It
// matches ErrHeld.
type HeldError struct {
	Held    int64    // items
	Ignored []string // decisions without effect, and why: the first 10
}

func (e *HeldError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %d: results.Held lists them, results.Approve and results.Reject decide; then call again", ErrHeld, e.Held)
	for _, text := range e.Ignored {
		b.WriteString("\n\tignored: " + text)
	}
	return b.String()
}

// Is reports whether target is ErrHeld.
func (e *HeldError) Is(target error) bool { return target == ErrHeld }
