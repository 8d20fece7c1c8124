package dmap

import (
	"context"
	"errors"

	"github.com/go-dmap/dmap/internal/errtext"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/scrub"
)

// Reasons for which a run is open or has ended: see Stats.Reason.
const (
	reasonSucceeded = "succeeded"
	reasonMaxItems  = "max items"
	reasonEnough    = "enough"
	reasonTolerance = "tolerance"
	reasonCanceled  = "canceled"
	reasonTrial     = "trial"
	reasonLeased    = "leased"
	reasonHeld      = "held"
	reasonSuspended = "suspended"
	reasonContext   = "context"
	reasonBudget    = "budget"
	reasonTotal     = "total budget"
	reasonSource    = "source"
	reasonSink      = "sink"
	reasonFenced    = "fenced"
	reasonChanged   = "changed"
	reasonInternal  = "internal"
)

// verdict is the end of a process of a run: the error of the run, and why it is open or has ended.
type verdict struct {
	err    error
	reason string
	state  State // never StateRunning

	redrivable bool // the run has ended, and has a journal, which a redrive needs

	rules *errtext.Rules // for the text of err
}

// evidence is what the parts of the engine say about the end of a run.
type evidence struct {
	durable   bool  // the run has a journal
	truncated bool  // MaxItems ended the reading
	enough    bool  // Options.Enough stopped the run
	leased    error // the reading was ended, and all items that were read are settled; nil: it was not
	cause     error // why the run stopped early; nil: it did not
	canceled  error // the cause of Run.Cancel; nil: nobody called it
	source    error
	sinks     []error
	exceeded  error // the ToleranceError of a run that did not stop early
	trial     error // of a trial: items that the run had left pending or unread still are
	held      error // a HeldError: nothing is left but items that wait for a decision
	sum       error // the counts do not add up
	rules     *errtext.Rules
}

// judged decides the end of a run. The decisions of people and of the tolerance end it. Whatever
// else stops a run with a journal leaves it open, and so does a broken sink, which could not record
// its end.
func (e evidence) judged() verdict {
	errs := []error{e.cause}
	for _, err := range e.sinks {
		if err != e.cause {
			errs = append(errs, err)
		}
	}
	errs = append(errs, e.leased, e.source, e.exceeded, e.trial, e.sum)
	if e.cause != nil && e.canceled != nil && e.canceled != e.cause {
		errs = append(errs, e.canceled)
	}
	v := verdict{reason: e.reason(), rules: e.rules}
	if v.reason == reasonHeld { // otherwise something else is left to do, or the run has ended
		errs = append(errs, e.held)
	}
	v.err = errors.Join(errs...)
	if v.state = StateEnded; e.durable && leavesOpen(v.reason) {
		v.state = StateOpen
	}
	v.redrivable = e.durable && v.state == StateEnded
	return v
}

// reason looks at where an error comes from, never into its chain: a chain may hold the errors of
// items, and of runs inside their calls.
func (e evidence) reason() string {
	_, exceeded := e.cause.(*ToleranceError)         //nolint:errorlint // where it comes from counts, not its chain
	brokenSource, isSource := e.cause.(*SourceError) //nolint:errorlint // where it comes from counts, not its chain
	_, isSink := e.cause.(*SinkError)                //nolint:errorlint // where it comes from counts, not its chain
	spent, isBudget := e.cause.(*BudgetError)        //nolint:errorlint // where it comes from counts, not its chain
	switch {
	case e.sum != nil:
		return reasonInternal
	case len(e.sinks) > 0 || isSink:
		return reasonOfSinks(append(e.sinks, e.cause))
	case exceeded || e.exceeded != nil:
		return reasonTolerance
	case e.cause != nil && e.canceled != nil:
		return reasonCanceled
	case isSource:
		return reasonOfSource(brokenSource)
	case e.source != nil:
		return reasonOfSource(e.source)
	case e.cause == nil && e.leased != nil:
		return reasonLeased
	case e.cause == nil && e.trial != nil:
		return reasonTrial
	case e.cause == nil && e.enough:
		return reasonEnough
	case e.cause == nil && e.held != nil:
		return reasonHeld
	case e.cause == nil && e.truncated:
		return reasonMaxItems
	case e.cause == nil:
		return reasonSucceeded
	case isBudget && spent.Total:
		return reasonTotal
	case isBudget:
		return reasonBudget
	case matches(e.cause, ErrSuspended):
		return reasonSuspended
	default:
		return reasonContext
	}
}

func reasonOfSinks(errs []error) string {
	for _, err := range errs {
		if matches(err, ErrFenced) {
			return reasonFenced
		}
	}
	for _, err := range errs {
		if matches(err, ErrSpecChanged) {
			return reasonChanged
		}
	}
	return reasonSink
}

func reasonOfSource(err error) string {
	_, isSink := err.(*SinkError) //nolint:errorlint // only a list of items that a redrive took fails so
	switch {
	case matches(err, ErrSpecChanged):
		return reasonChanged
	case isSink:
		return reasonSink
	default:
		return reasonSource
	}
}

// leavesOpen reports whether a run with a journal that stops for this reason stays open.
func leavesOpen(reason string) bool {
	switch reason {
	case reasonSucceeded, reasonMaxItems, reasonEnough, reasonTolerance, reasonCanceled, reasonTrial:
		return false
	default:
		return true
	}
}

// failedWith is v after a step of the end failed with err: a run with a journal is open.
func (v verdict) failedWith(err error, durable bool) verdict {
	if v.reason == reasonHeld {
		v.err = nil // the step is left to do, too
	}
	v.err = errors.Join(v.err, err)
	v.reason = reasonOfSinks([]error{err})
	if durable {
		v.state, v.redrivable = StateOpen, false
	}
	return v
}

// resumes reports whether the same call resumes the run, without the act of a person: then its
// error matches ErrOpen.
func (v verdict) resumes() bool {
	if v.state != StateOpen || v.err == nil {
		return false
	}
	switch v.reason {
	case reasonFenced, reasonChanged, reasonTotal, reasonHeld:
		return false
	default:
		return !needsPerson(v.err)
	}
}

// refusedToOpen reports whether err comes from the sink that keeps the journal, or from the source
// that it compares before a redrive.
func refusedToOpen(err error) bool {
	failure, ok := err.(*SinkError)   //nolint:errorlint // where it comes from counts, not its chain
	_, compared := err.(*SourceError) //nolint:errorlint // where it comes from counts, not its chain
	return compared || ok && failure.Op == "open"
}

// inRun is the error of v as the caller gets it.
func (v verdict) inRun(runID string) error {
	if v.err == nil {
		return nil
	}
	return &runError{runID: runID, open: v.resumes(), raise: v.raise(), next: v.next(), text: v.text(), err: v.err}
}

// raise reports whether the run is open, and a person must raise its total budget.
func (v verdict) raise() bool { return v.state == StateOpen && v.reason == reasonTotal }

// text is the text of the error by the rules of the run; empty without an error.
func (v verdict) text() string { return scrub.Clip(describe(v.rules, v.err), maxTotal) }

// next is the state of the run and the next step, as its error names them.
func (v verdict) next() string {
	spent, _ := guard.As[*BudgetError](v.err)
	switch {
	case v.raise() && spent != nil:
		return " is open, raise Options." + spent.option() + " and call again with the same RunID to resume it"
	case v.resumes():
		return " is open, call again with the same RunID to resume it"
	case v.reason == reasonHeld:
		return " is open and waits for decisions"
	case v.redrivable && v.reason == reasonTolerance:
		return " has ended, a call with Options.Redrive processes its failed items again"
	case v.redrivable && v.reason == reasonCanceled:
		return " has ended, a call with Options.Redrive and its Canceled continues it"
	default:
		return ""
	}
}

// notStarted is the end of a call that could not open or begin its run. durable says that the run
// has a journal.
func notStarted(ctx context.Context, err error, durable bool) verdict {
	v := verdict{err: err, reason: reasonOfSinks([]error{err}), state: StateEnded}
	if _, ok := err.(*SourceError); ok { //nolint:errorlint // where it comes from counts, not its chain
		v.reason = reasonOfSource(err)
	}
	if ctx.Err() != nil && (v.reason == reasonSink || v.reason == reasonSource) {
		v.reason = reasonContext
		if cause := context.Cause(ctx); !matches(err, cause) {
			v.err = errors.Join(cause, err)
		}
	}
	if durable {
		v.state = StateOpen
	}
	return v
}
