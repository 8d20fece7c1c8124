package dmap

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/scrub"
)

// Hold makes an error by which a function holds its item until a person has decided about it. The
// reason is for that person. A batch function holds single items by batch.Errors.
//
// A held item is neither settled nor pending: it does not count against the Tolerance, no retry
// follows, and it is not called again before the decision. The run does everything else; then it is open, with an error
// that matches ErrHeld. Package sink/results lists held items, with their reasons and inputs, and
// approves or rejects them; any program may also write a decision into the bucket, see
// docs/format.md. The next call of Map with the same RunID calls approved items again, with
// Info.Decision, and fails rejected ones with a RejectedError. A function may hold an approved item
// once more; then it needs another decision.
//
// Held items need a sink with a journal, such as sink.Bucket; other sinks see only the outcome. In a run without one the item fails,
// with an error of class "held" that says so.
func Hold(reason string) error { return &HoldError{Reason: scrub.Clipped(reason, maxKept)} }

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

// DecisionAt is the decision about item i, from 0, of the batch of a call: its position in the
// slice that the function got. nil: the item was not held. Outside a batch only 0 has one.
func DecisionAt(ctx context.Context, i int) *Decision {
	call, ok := ctx.Value(infoKey{}).(*callContext)
	if !ok {
		return nil
	}
	return call.task.decisionAt(i)
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

// heldEnd is the error of a run in which nothing is left but held items. nil: there are none, or
// something else is left.
func (e *engine[T, R]) heldEnd(source error) error {
	n := e.tally.held.Load()
	if n == 0 || source != nil {
		return nil
	}
	return &HeldError{Held: n, Ignored: e.durable.ignored}
}

// hold keeps item i, which the function has held by err, or fails it if no sink keeps held items.
func (w *worker[T, R]) hold(i int, err error, elapsed time.Duration) {
	c, attempt := w.task.chunk, w.task.attempt
	reason := ""
	if hold, ok := guard.As[*HoldError](err); ok {
		reason = scrub.Clip(hold.Reason, maxKept)
	}
	var zero R
	if !w.keepsHeld {
		err := &notKeptError{reason}
		c.record(i, attempt, zero, err, elapsed)
		w.fail(i, attempt, err)
		return
	}
	c.record(i, attempt, zero, &HoldError{Reason: reason, holds: c.holdsOf(i) + 1}, elapsed)
	c.entries[i].state, c.holds = held, true
	w.tally.held.Add(1)
	w.settled++
}

// heldItems returns the held items, whose Err is a *HoldError.
func (c *chunk[T, R]) heldItems() (out []Result[R]) {
	for i := range c.entries {
		if s := &c.entries[i]; s.state == held {
			out = append(out, Result[R]{
				Info: c.info(i, int(s.attempt)), Err: s.err, Input: &c.items[i].Value, Elapsed: s.elapsed, At: c.position(i),
			})
		}
	}
	return out
}

// decision is that about item i, nil if it was not held.
func (c *chunk[T, R]) decision(i int) *Decision {
	if c.origins == nil {
		return nil
	}
	return c.origins[i].decision
}

// decisions are those about item i and others; nil if there are none.
func (c *chunk[T, R]) decisions(i int, others []int) (out []*Decision) {
	out, some := append(make([]*Decision, 0, 1+len(others)), c.decision(i)), c.decision(i) != nil
	for _, o := range others {
		d := c.decision(o)
		out, some = append(out, d), some || d != nil
	}
	if !some {
		return nil
	}
	return out
}

// holdsOf is how often item i was held in earlier calls.
func (c *chunk[T, R]) holdsOf(i int) int {
	if d := c.decision(i); d != nil {
		return d.Holds
	}
	return 0
}

// rejected is the error of an item that a person rejected, nil for any other. A redrive that takes
// the item calls it.
func (c *chunk[T, R]) rejected(i int) error {
	d := c.decision(i)
	if d == nil || d.Approved || !journal.IsReleasedSplit(c.split.ID) {
		return nil
	}
	return &RejectedError{*d}
}

// decisionAt is the decision about item i of the call.
func (c *taskContext) decisionAt(i int) *Decision {
	if i < 0 || i >= len(c.decisions) {
		return nil
	}
	return c.decisions[i]
}

// writeHeld sends held items to the sink that keeps the journal, and only to that.
func (s *sinkSet[R]) writeHeld(ctx context.Context, items []Result[R]) bool {
	if err := s.keeper.write(ctx, items); err != nil {
		s.fail("write", err)
		return false
	}
	return true
}
