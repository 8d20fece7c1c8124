package dmap

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/internal/estimate"
)

// Sampling says how Estimate takes its sample. The zero value is valid.
type Sampling struct {
	// Items is the size of the sample, 30 to 100,000. 0: 200.
	Items int
	// Concurrency are the values of Options.MaxConcurrency to estimate times for, 1 to 10,000 each.
	// Empty: that of the options.
	Concurrency []int
	// Seed chooses the items and the draws of simulations: the same seed chooses the same items.
	Seed uint64
	// MaxRead bounds the items that are read to choose the sample and to count all items. 0:
	// 1,000,000.
	MaxRead int64
}

// The limits of Sampling.
const (
	leastSample    = estimate.MinUnits
	mostSample     = 100_000
	usualSample    = 200
	usualReadItems = 1_000_000
)

func (s Sampling) validate() error {
	var errs []error
	if s.Items != 0 && (s.Items < leastSample || s.Items > mostSample) {
		errs = append(errs, fmt.Errorf("dmap: Sampling.Items %d: want %d to %d, or 0 for %d", s.Items, leastSample, mostSample, usualSample))
	}
	for _, c := range s.Concurrency {
		if c < 1 || c > maxConcurrency {
			errs = append(errs, fmt.Errorf("dmap: Sampling.Concurrency %d: want 1 to %d", c, maxConcurrency))
		}
	}
	if s.MaxRead < 0 {
		errs = append(errs, fmt.Errorf("dmap: Sampling.MaxRead %d is negative", s.MaxRead))
	}
	return errors.Join(errs...)
}

func (s Sampling) withDefaults(opts Options) Sampling {
	if s.Items == 0 {
		s.Items = usualSample
	}
	if s.MaxRead == 0 {
		s.MaxRead = usualReadItems
	}
	if len(s.Concurrency) == 0 {
		s.Concurrency = []int{opts.withDefaults().MaxConcurrency}
	}
	return s
}

// TimeRange is the time that the calls of a run take at a concurrency.
type TimeRange struct {
	Concurrency int
	Low, High   time.Duration
}

// Estimation is what a whole run takes, the sampled items included. Each range alone is meant to
// hold the truth in 90 % of the estimates that are given, if the calls of the run are like those of
// the sample. Estimates that are refused ([SampleError]) do not count there: of call times with a
// heavy tail more than half may be refused.
type Estimation struct {
	RunID    string // that the sampled calls had
	Sampled  int    // items
	Failed   int    // of Sampled, after all attempts
	Items    Range  // of the source, without skipped ones; equal ends: counted
	Requests Range  // calls of the function, retries included
	Bytes    Range  // the sum of Item.Size
	Times    []TimeRange
}

// String has a line for each range.
func (e Estimation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "sampled   %d items, %d failed\n", e.Sampled, e.Failed)
	fmt.Fprintf(&b, "items     %.0f to %.0f\n", e.Items.Low, e.Items.High)
	fmt.Fprintf(&b, "requests  %.0f to %.0f\n", e.Requests.Low, e.Requests.High)
	fmt.Fprintf(&b, "bytes     %.0f to %.0f\n", e.Bytes.Low, e.Bytes.High)
	for _, t := range e.Times {
		fmt.Fprintf(&b, "time      %v to %v at concurrency %d\n", t.Low.Round(time.Millisecond), t.High.Round(time.Millisecond), t.Concurrency)
	}
	return b.String()
}

// SampleError says that a sample says too little for an estimate: it has too few items, a few of
// them take nearly all the time, the items differ too much, or their total is unknown.
type SampleError struct {
	Sampled int    // items
	What    string // "time at concurrency 10", for example
	Err     error
}

func (e *SampleError) Error() string {
	return fmt.Sprintf("dmap: the sample of %d items does not tell the %s: %s", e.Sampled, e.What, errorText(e.Err))
}

// Unwrap returns the reason.
func (e *SampleError) Unwrap() error { return fromOutside(e.Err) }

// Estimate calls fn for a sample of the items of src, and tells from these calls what Map would
// take for all: ranges of the time at several concurrencies, of the requests and of the bytes.
//
// The calls are real, with all their effects, under the timeout, retries and concurrency of opts,
// and with the idempotency keys that the items have in a run with the same RunID. Their results are
// dropped, and failed items are counted only. Nothing is stored.
//
// The items are chosen at random, each with the same probability, and the source is read up to
// Sampling.MaxRead items for that, unless it has a [Plan.Sample] (the reservoir of Vitter, Random
// Sampling with a Reservoir, ACM Transactions on Mathematical Software 11, 1985): a listing costs a
// request for a thousand objects, and all items are counted. source.JSONLines and source.CSV read
// blocks at random places of a large object, and tell a range for the number of its records. If a
// source is not read to its end then, the total is unknown, and Estimate refuses before it calls
// fn.
//
// The times are those of a simulation: calls as long as the sampled ones fill the slots, whatever
// the number of slots. So a service that slows under load, or a source that is read more slowly
// than its items are processed, makes the run longer, as do Options.Rate, back-off and the waits
// before retries, which are not in the times. Options.Enough makes it shorter. Rare slow items that
// the sample does not have are unknown to it. [SampleError]: the sample says too little, for one of
// the concurrencies perhaps; the Estimation has the values that are known.
func Estimate[T, R any](ctx context.Context, src Source[T], fn func(context.Context, T) (R, error), opts Options, s Sampling) (Estimation, error) {
	if err := sampleErrors[R](ctx, src, opts, fn == nil, s); err != nil {
		return Estimation{}, &callError{err}
	}
	s = s.withDefaults(opts)
	taken, err := takeSample(ctx, PlanOf(src), opts, s)
	if err != nil {
		return taken.known(), err
	}
	m := newCallMeter(opts)
	measured := func(ctx context.Context, value T) (R, error) {
		info, _ := InfoFrom(ctx)
		defer m.begin(info.ID())()
		return fn(ctx, value)
	}
	stats, err := Map(ctx, taken, measured, sampleOptions(opts))
	if err != nil {
		return taken.known(), err
	}
	return taken.estimate(stats, m.measured(idsOf(taken.items), false), opts, s)
}

// EstimateBatch is Estimate for a function that takes many items in one call. The sampled items
// form batches by the limits; a batch of the run is as long as one of those.
func EstimateBatch[T, R any](ctx context.Context, src Source[T], limits batch.Limits, fn func(context.Context, []Item[T]) ([]R, error), opts Options, s Sampling) (Estimation, error) {
	if err := errors.Join(sampleErrors[R](ctx, src, opts, fn == nil, s), limits.Validate()); err != nil {
		return Estimation{}, &callError{err}
	}
	s = s.withDefaults(opts)
	taken, err := takeSample(ctx, PlanOf(src), opts, s)
	if err != nil {
		return taken.known(), err
	}
	m := newCallMeter(opts)
	measured := func(ctx context.Context, items []Item[T]) ([]R, error) {
		defer m.begin(idsOf(items)...)()
		return fn(ctx, items)
	}
	stats, err := MapBatch(ctx, taken, limits, measured, sampleOptions(opts))
	if err != nil {
		return taken.known(), err
	}
	return taken.estimate(stats, m.measured(idsOf(taken.items), true), opts, s)
}

// sampleErrors is all that is wrong with the arguments.
func sampleErrors[R, T any](ctx context.Context, src Source[T], opts Options, noFn bool, s Sampling) error {
	return errors.Join(callErrors[T, R](src, opts, noFn, nil).in(ctx).join(), s.validate())
}

// sampleOptions are those of the calls of a sample, which no number of failures or successes ends.
func sampleOptions(opts Options) Options {
	opts.Tolerance = Tolerance{Percentage: 100}
	opts.Redrive, opts.MaxItems, opts.Enough = Redrive{}, 0, 0
	return opts
}

// newRandom returns the random numbers of a seed.
func newRandom(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x646d6170)) } //nolint:gosec // not a secret
