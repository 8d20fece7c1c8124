package dmap

import (
	"errors"
	"fmt"

	"github.com/go-dmap/dmap/internal/glob"
	"github.com/go-dmap/dmap/internal/journal"
)

// Redrive continues a run that has ended: in its own folder, under its RunID. The failed items that
// the fields choose run again, then everything that is pending or was never read; the function,
// Version, filters, batch limits, retries, concurrency and tolerance may be new. Each item is read
// from the source again and keeps its idempotency key. The counts are those of the whole run.
//
// The same call continues a redrive that was interrupted; what it takes was fixed when it began. A
// redrive needs a sink with a journal, such as sink.Bucket. While it runs, the Tolerance applies to
// its own items: a percentage is of the items that it processes. Its end is judged by all items.
type Redrive struct {
	// Max is how many redrives a run that ended without success may have. 0: none.
	Max int `json:"max,omitempty"`
	// Canceled redrives runs that were canceled too.
	Canceled bool `json:"canceled,omitempty"`
	// Tolerated redrives the failures of runs that have succeeded because they were tolerated.
	Tolerated bool `json:"tolerated,omitempty"`
	// Classes of errors to take, as Class returns them. Empty: all.
	Classes []string `json:"classes,omitempty"`
	// Glob must match the key of an item: path.Match between slashes, "**" for any number of
	// directories. Empty: every key.
	Glob string `json:"glob,omitempty"`
	// Limit makes the redrive a trial: it takes at most this number of failed items, and leaves
	// everything else as it is. A trial is made also beyond Max, and does not count for it. 0: no
	// trial.
	Limit int64 `json:"limit,omitempty"`
	// Match must accept a failed item that the other fields choose; its Err has the stored class
	// and text. nil: every one. Called before the redrive begins, on one goroutine.
	Match func(*ItemError) bool `json:"-"`
}

func (r Redrive) validate() error {
	var errs []error
	if r.Max < 0 {
		errs = append(errs, fmt.Errorf("dmap: Options.Redrive.Max %d is negative", r.Max))
	}
	if r.Limit < 0 {
		errs = append(errs, fmt.Errorf("dmap: Options.Redrive.Limit %d is negative", r.Limit))
	}
	if _, err := glob.Compile(r.Glob); err != nil {
		errs = append(errs, fmt.Errorf("dmap: Options.Redrive.Glob: %w", err))
	}
	if !r.wanted() && (r.Canceled || r.Tolerated || len(r.Classes) > 0 || r.Glob != "" || r.Match != nil) {
		errs = append(errs, errors.New("dmap: Options.Redrive has no effect without Max or Limit"))
	}
	return errors.Join(errs...)
}

// wanted reports whether r may redrive a run.
func (r Redrive) wanted() bool { return r.Max > 0 || r.Limit > 0 }

// errNoJournal refuses a redrive of a run whose progress nobody records.
var errNoJournal = errors.New("Options.Redrive: the run has no journal, so it cannot be redriven: use sink.Bucket without Express")

// origin is where the source yields an item that is read again. The item's own cursors lie in the
// list of taken items.
type origin struct {
	split       string
	version     string
	start, next Cursor
}

func originOf(t *journal.TakenItem) origin {
	return origin{t.Split, t.Version, Cursor(t.Start), Cursor(t.Next)}
}

// position is where to read the item again.
func (o *origin) position() Position { return Position{o.version, o.start, o.next} }

// goneError says that an item that is to run again is no longer in the source.
type goneError struct {
	id    string
	cause error // nil: the source was read without finding it
}

func (e *goneError) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("item %q is gone: %v", e.id, e.cause)
	}
	return fmt.Sprintf("item %q is gone: the source no longer yields it", e.id)
}

func (e *goneError) Unwrap() error { return e.cause }

// Class returns "gone".
func (e *goneError) Class() string { return "gone" }

// changedError says that the source has another item where one is to run again.
type changedError struct {
	id    string
	cause error
}

func (e *changedError) Error() string {
	return fmt.Sprintf("item %q: %v: to process the source as it is now, use a new RunID", e.id, e.cause)
}

func (e *changedError) Unwrap() error { return e.cause }

// Class returns "changed".
func (e *changedError) Class() string { return "changed" }

// againError is the error of an item that is to run again and that a reading with err has not
// found. It returns nil if the source cannot be read now: that is no fault of the item.
func againError(id string, err error) error {
	switch {
	case err == nil:
		return &goneError{id: id}
	case Class(err) == "gone":
		return &goneError{id, err}
	case Class(err) == "changed":
		return &changedError{id, err}
	case brokenObject(err) != nil: // it breaks off before the item
		return fmt.Errorf("item %q: %w", id, err)
	default:
		return nil
	}
}

// isGone reports whether err says that the source no longer has an item of a redrive.
func isGone(err error) bool {
	var gone *goneError
	return err != nil && errors.As(err, &gone)
}

// resumeRedrive sets the run up to continue a redrive, if it is in one.
func (e *engine[T, R]) resumeRedrive(p *journal.Progress) {
	if p.Redrive == nil {
		return
	}
	e.spec.Redrive = p.Redrive.Number
	e.reader.inflight.calls.redrive = p.Redrive.Number
	e.tally.redrive, e.reader.redrive = p.Redrive, p.Redrive
	e.tally.read.Add(p.Redrive.Rest)
	if p.Begun != nil {
		e.tally.gone.Store(p.Counts.Gone - p.Begun.Gone)
	}
	e.reader.outstanding = p.Counts.Outstanding()
}

// redriven returns the failed items of the redrive that count against the tolerance, and the items
// that they are judged by. While some are unsettled these are the items of the redrive; in the end
// all items of the run.
func (c *tally) redriven(failed, settled int64, ended bool) (bad, of int64) {
	of = c.read.Load() - c.skipped.Load()
	if ended && settled == of-c.redrive.Waiting {
		return failed, of
	}
	return failed - c.redrive.Failed - c.gone.Load(), of - c.redrive.Failed - c.redrive.Succeeded - c.redrive.Waiting
}

// waiting is the number of items that a redrive took and that were not read, and of those that a
// trial leaves pending.
func (r *reader[T, R]) waiting() int64 {
	if r.redrive == nil {
		return 0
	}
	return r.outstanding - r.again.Load() + r.redrive.Rest
}

// trialEnd says that a trial has left undone what had been left undone before.
func (e *engine[T, R]) trialEnd() error {
	if again := e.tally.redrive; again == nil || !again.Unfinished {
		return nil
	}
	return fmt.Errorf("%w: the trial is over, other items are still pending or unread: redrive the run without a Limit", ErrEnded)
}
