package dmap

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"
)

// Limits and defaults of Options.
const (
	maxConcurrency        = 10_000 // the limit of Step Functions; the tests go up to it
	defaultMaxConcurrency = 100
	defaultDrainTimeout   = 30 * time.Second
	defaultPoisonAfter    = 3
)

// Options tune a run. The zero value is valid: 100 calls at once, no retries, no failure tolerated.
type Options struct {
	// RunID names the run: 1 to 128 of letters, digits and "._=-", not starting with a dot. Empty:
	// one is made from the time and a random number.
	RunID string `json:"runId,omitempty"`
	// MaxConcurrency bounds the calls in flight (batches, not items, in MapBatch), 1 to 10,000. 0:
	// 100. 1 keeps the order of the source.
	MaxConcurrency int `json:"maxConcurrency,omitempty"`
	// MaxItems ends the run after exactly the first N items of the source that are not skipped. 0:
	// no limit.
	MaxItems int64 `json:"maxItems,omitempty"`
	// Enough ends the run when this number of items has succeeded, over all its processes: no call
	// starts any more, calls in flight get DrainTimeout to return, and their results count. So
	// there may be more successes than Enough, by less than MaxConcurrency (times the items of a
	// batch). The run has then succeeded with the reason "enough" if its failures are within the
	// Tolerance, judged over the settled items. The other items count as unread, and are nothing to
	// redo. It may differ when a run resumes. 0: no limit.
	Enough int64 `json:"enough,omitempty"`
	// Timeout ends the context of a call; the attempt has then failed with
	// context.DeadlineExceeded. 0: none.
	Timeout time.Duration `json:"timeout,omitempty"`
	// Budget limits what this call of Map may use, so that the same call continues the run with a
	// fresh Budget. The zero Budget does not limit.
	Budget Budget `json:"budget,omitzero"`
	// TotalBudget limits what the run may use in all its calls of Map, redrives included. It needs
	// a sink with a journal, which keeps the amounts; amounts after the last commit of a process
	// that crashed do not count. The zero Budget does not limit.
	TotalBudget Budget `json:"totalBudget,omitzero"`
	// Retry says how often a failed item is called again. The zero Retry never calls it again.
	Retry Retry `json:"retry,omitzero"`
	// Rate bounds how many calls start in a second. The zero Rate has no limit.
	Rate Rate `json:"rate,omitzero"`
	// NoAdapt keeps MaxConcurrency calls at once also while a server throttles. Otherwise throttled
	// calls lower the number of calls at once, and how many start in a second, and both rise again
	// as the server takes more: see [Throttled] and Stats.AdaptedLimit. The shared back-off holds
	// in any case.
	NoAdapt bool `json:"noAdapt,omitempty"`
	// IsThrottled says whether an error of a call means that a server throttles. It is not asked
	// about errors made by [Throttled], which always do. Called from many goroutines. nil: the
	// function IsThrottled, which another one may call too.
	IsThrottled func(error) bool `json:"-"`
	// Tolerance says how many items may fail before the run does. The zero Tolerance tolerates
	// none.
	Tolerance Tolerance `json:"tolerance,omitzero"`
	// DrainTimeout is the time that calls in flight get to return after the run was suspended, has
	// Enough or no Budget left, the tolerance was exceeded, or a sink broke; and at most half of
	// the time until the deadline of its context. It is also the time that sinks get to save
	// results after that, if the run was canceled or suspended by its context. 0: 30 s.
	DrainTimeout time.Duration `json:"drainTimeout,omitempty"`
	// AbandonAfter abandons a call that still runs this long after the end of its context: the item
	// fails with ErrStuck, the slot is free, a late result is dropped. The goroutine of the
	// function keeps running, which nothing in Go can prevent. 0: never; Map waits for every call.
	//
	// A source or a sink that still runs this long after the end of its context, or 10 minutes if
	// this is 0, is abandoned likewise: Map returns a SourceError or a SinkError that matches
	// ErrStuck. A run with a journal is open then.
	AbandonAfter time.Duration `json:"abandonAfter,omitempty"`
	// Version names everything else that decides the results: the function, filters, other inputs.
	// A run resumes only with the Version that it was begun with.
	Version string `json:"version,omitempty"`
	// Redrive says whether a run that has ended is continued, and with which of its failed items.
	// The zero Redrive leaves it as it has ended.
	Redrive Redrive `json:"redrive,omitzero"`
	// CommitEvery is the length of a commit window in a durable run. After a crash only the items
	// in flight and the items settled after the last commit run again. 0: one second, and in long
	// runs a thousandth of their time so far, at most a minute.
	CommitEvery time.Duration `json:"commitEvery,omitempty"`
	// PoisonAfter quarantines an item that was in flight in this many recorded crashes of the
	// process, and in all but one of them alone: it fails with PoisonError. After a crash the run
	// announces items before their calls, for some seconds, and suspects run last, apart from the
	// others. 0: 3. Negative: never.
	PoisonAfter int `json:"poisonAfter,omitempty"`
	// Redact hides personal data in logs, errors and results. The zero Redact hides nothing.
	Redact Redact `json:"-"`
	// Logger gets a line at the levels Info to Error when the run starts, resumes, and ends, when a
	// call is stuck, a sink or a commit fails, at the first failure of each class, and when the
	// failures reach 50 % and 90 % of the Tolerance; and at Debug one for each retry and commit. It
	// is called from many goroutines, and a call waits for it, at most 10 s: after a line that
	// takes longer, or ends its goroutine, there are no others. nil: none.
	Logger *slog.Logger `json:"-"`
	// Observer gets the events of the run. nil: nobody does.
	Observer *Observer `json:"-"`
}

var runIDPattern = regexp.MustCompile(`^[A-Za-z0-9_=-][A-Za-z0-9._=-]{0,127}$`)

// validate returns all that is wrong with o, joined.
func (o Options) validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("dmap: Options."+format, args...))
		}
	}
	check(o.RunID == "" || runIDPattern.MatchString(o.RunID),
		"RunID %q: want 1 to 128 of letters, digits and ._=-, not starting with a dot", o.RunID)
	check(o.MaxConcurrency >= 0 && o.MaxConcurrency <= maxConcurrency,
		"MaxConcurrency %d: want 0 to %d", o.MaxConcurrency, maxConcurrency)
	check(o.MaxItems >= 0, "MaxItems %d is negative", o.MaxItems)
	check(o.Enough >= 0, "Enough %d is negative", o.Enough)
	check(o.Timeout >= 0, "Timeout %v is negative", o.Timeout)
	check(o.DrainTimeout >= 0, "DrainTimeout %v is negative", o.DrainTimeout)
	check(o.CommitEvery >= 0, "CommitEvery %v is negative", o.CommitEvery)
	check(o.AbandonAfter >= 0, "AbandonAfter %v is negative", o.AbandonAfter)
	return errors.Join(append(errs, o.Budget.validate("Budget"), o.TotalBudget.validate("TotalBudget"),
		o.Retry.validate(), o.Rate.validate(), o.Tolerance.validate(), o.Redrive.validate())...)
}

// withDefaults returns o with its zero fields resolved.
func (o Options) withDefaults() Options {
	if o.RunID == "" {
		o.RunID = newRunID()
	}
	if o.MaxConcurrency == 0 {
		o.MaxConcurrency = defaultMaxConcurrency
	}
	if o.PoisonAfter == 0 {
		o.PoisonAfter = defaultPoisonAfter
	}
	if o.DrainTimeout == 0 {
		o.DrainTimeout = defaultDrainTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
