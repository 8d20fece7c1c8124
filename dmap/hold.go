package dmap

import (
	"context"
	"time"

	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/scrub"
)

// Hold makes an error by which a function holds its item until a person has decided about it. The
// reason is for that person. A batch function holds single items by batch.Errors.
//
// A held item is neither settled nor pending: it does not count against the Tolerance, no retry
// follows, and it is not called again before the decision. The run does everything else; then it is
// open, with an error that matches ErrHeld. Package sink/results lists held items, with their
// reasons and inputs, and approves or rejects them; any program may also write a decision into the
// bucket, see docs/format.md. The next call of Map with the same RunID calls approved items again,
// with Info.Decision, and fails rejected ones with a RejectedError. A function may hold an approved
// item once more; then it needs another decision.
//
// Held items need a sink with a journal, such as sink.Bucket; other sinks see only the outcome. In
// a run without one the item fails, with an error of class "held" that says so.
func Hold(reason string) error { return &HoldError{Reason: scrub.Clipped(reason, maxKept)} }

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

// rejected is the error of an item that a person rejected, nil for any other. A redrive that takes
// the item calls it.
func (c *chunk[T, R]) rejected(i int) error {
	d := c.decision(i)
	if d == nil || d.Approved || !journal.IsReleasedSplit(c.split.ID) {
		return nil
	}
	return &RejectedError{*d}
}

// writeHeld sends held items to the sink that keeps the journal, and only to that.
func (s *sinkSet[R]) writeHeld(ctx context.Context, items []Result[R]) bool {
	if err := s.keeper.write(ctx, items); err != nil {
		s.fail("write", err)
		return false
	}
	return true
}
