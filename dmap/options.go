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
	MaxMaxConcurrency     = 10_000 // the hard limit of Step Functions, and what is tested here
	DefaultMaxConcurrency = 100
	DefaultDrainTimeout   = 30 * time.Second
	DefaultPoisonAfter    = 3
)

// Options tune a run. The zero value is valid: 100 calls at once, no retries, no failure tolerated.
type Options struct {
	// RunID names the run: 1 to 128 of letters, digits and "._=-", not starting with a dot. Empty: one is made from
	// time and chance.
	RunID string `json:"runId,omitempty"`
	// MaxConcurrency bounds the calls in flight (batches, not items, in MapBatch), 1 to 10,000.
	// 0: DefaultMaxConcurrency. 1 keeps source order.
	MaxConcurrency int `json:"maxConcurrency,omitempty"`
	// MaxItems stops after exactly the first N items of the source that are not skipped. 0: no limit.
	MaxItems int64 `json:"maxItems,omitempty"`
	// Timeout ends the context of a call; the attempt has then failed with context.DeadlineExceeded. 0: none.
	Timeout time.Duration `json:"timeout,omitempty"`
	// Retry says how often a failed item is called again. The zero Retry never does.
	Retry Retry `json:"retry,omitzero"`
	// Tolerance says how many items may fail before the run does. The zero Tolerance tolerates none.
	Tolerance Tolerance `json:"tolerance,omitzero"`
	// DrainTimeout is how long calls in flight may go on once the run is suspended, the tolerance is exceeded or a sink
	// broke; and after that how long results may take to be saved once the run was cancelled or suspended by its context.
	// 0: DefaultDrainTimeout.
	DrainTimeout time.Duration `json:"drainTimeout,omitempty"`
	// AbandonAfter gives up calls that still run this long after their context ended: the item fails with ErrStuck, the
	// place is freed, a late result is dropped. 0: never; Map waits for every call. The function's goroutine goes on
	// running, which nothing in Go can prevent.
	AbandonAfter time.Duration `json:"abandonAfter,omitempty"`
	// Version names what else decides the results: the function, filters, other inputs. A run goes on only with the
	// Version it was begun with.
	Version string `json:"version,omitempty"`
	// Parent is the RunID of the run whose items this one takes up again, in a redrive. It is recorded, and changes nothing.
	Parent string `json:"parent,omitempty"`
	// CommitEvery is how often results are made to count in a run with a journal: after a crash at most what was settled
	// since, and what was in flight, runs again. 0: once a second, and in long runs after each thousandth of
	// their time, at most a minute.
	CommitEvery time.Duration `json:"commitEvery,omitempty"`
	// PoisonAfter sets an item aside as failed that was in flight in so many deaths of the run's process, as far as they
	// are recorded (see PoisonError). 0: 3. Negative: never, where processes are often killed from outside.
	PoisonAfter int `json:"poisonAfter,omitempty"`
	// Logger gets warnings (stuck calls, an exceeded tolerance). nil: none.
	Logger *slog.Logger `json:"-"`
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
	check(o.Parent == "" || runIDPattern.MatchString(o.Parent), "Parent %q is no RunID", o.Parent)
	check(o.MaxConcurrency >= 0 && o.MaxConcurrency <= MaxMaxConcurrency,
		"MaxConcurrency %d: want 0 to %d", o.MaxConcurrency, MaxMaxConcurrency)
	check(o.MaxItems >= 0, "MaxItems %d is negative", o.MaxItems)
	check(o.Timeout >= 0, "Timeout %v is negative", o.Timeout)
	check(o.DrainTimeout >= 0, "DrainTimeout %v is negative", o.DrainTimeout)
	check(o.CommitEvery >= 0, "CommitEvery %v is negative", o.CommitEvery)
	check(o.AbandonAfter >= 0, "AbandonAfter %v is negative", o.AbandonAfter)
	return errors.Join(append(errs, o.Retry.validate(), o.Tolerance.validate())...)
}

// withDefaults returns o with its zero fields resolved.
func (o Options) withDefaults() Options {
	if o.RunID == "" {
		o.RunID = newRunID()
	}
	if o.MaxConcurrency == 0 {
		o.MaxConcurrency = DefaultMaxConcurrency
	}
	if o.PoisonAfter == 0 {
		o.PoisonAfter = DefaultPoisonAfter
	}
	if o.DrainTimeout == 0 {
		o.DrainTimeout = DefaultDrainTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
