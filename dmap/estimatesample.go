package dmap

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"time"

	"github.com/go-dmap/dmap/internal/estimate"
)

// sample is a random sample of the items of a source, and a source of these items.
type sample[T any] struct {
	name  string
	items []Item[T]
	read  int64 // items that are not skipped
	total Range // items of the source that are not skipped
	bytes Range // of all these items
	runID string
}

func (s *sample[T]) String() string { return s.name }

// Items yields the items of the sample.
func (s *sample[T]) Items(context.Context) iter.Seq2[Item[T], error] {
	return func(yield func(Item[T], error) bool) {
		for _, item := range s.items {
			if !yield(item, nil) {
				return
			}
		}
	}
}

var errMoreItems = errors.New("the source has more items than were read to count them: raise Sampling.MaxRead")

// takeSample reads the source and chooses the items.
func takeSample[T any](ctx context.Context, plan Plan[T], opts Options, s Sampling) (*sample[T], error) {
	out := &sample[T]{name: "sample", runID: opts.RunID}
	random := newRandom(s.Seed)
	ctx, cancel := context.WithCancel(ctx) // so that the source stops reading
	defer cancel()
	taken := new(sample[T])
	err := within(ctx, opts.ignorance(), "Read", func() error { return taken.take(ctx, plan, opts.MaxItems, s, random) })
	if err == errMoreItems {
		return out, &SampleError{What: "number of items", Err: fmt.Errorf("%w (%d)", err, s.MaxRead)}
	}
	if err != nil {
		return out, &SourceError{Err: err}
	}
	*out = sample[T]{out.name, taken.items, taken.read, taken.total, taken.bytes, out.runID}
	if len(out.items) < leastSample {
		return out, &SampleError{
			Sampled: len(out.items), What: "time", Err: fmt.Errorf("%w: the source has %d, want at least %d", estimate.ErrFew, out.read, leastSample),
		}
	}
	return out, nil
}

// take takes the sample by the function of the source, if it has one, or reads the source.
func (s *sample[T]) take(ctx context.Context, plan Plan[T], most int64, by Sampling, random *rand.Rand) (err error) {
	if plan.Sample != nil && most == 0 { // MaxItems are the first ones
		s.total, s.bytes, err = plan.Sample(ctx, by.Items, random, func(item Item[T]) {
			if !skips(item.Err) {
				s.add(item, by.Items, random)
			}
		})
		if !matches(err, errors.ErrUnsupported) {
			return err
		}
		s.items, s.read, s.bytes = nil, 0, Range{}
	}
	if err := s.readAll(ctx, plan, most, by, random); err != nil {
		return err
	}
	s.total = Range{float64(s.read), float64(s.read)}
	return nil
}

// readAll reads up to most items, of which it keeps a random sample. 0: all.
func (s *sample[T]) readAll(ctx context.Context, plan Plan[T], most int64, by Sampling, random *rand.Rand) error {
	for split, err := range plan.Splits(ctx) {
		if err != nil {
			return err
		}
		for item, err := range plan.Read(ctx, split) {
			if err != nil {
				return err
			}
			if split.To != (Cursor{}) && item.Next.compare(split.To) > 0 {
				break
			}
			if skips(item.Err) {
				continue
			}
			if s.read == by.MaxRead {
				return errMoreItems
			}
			s.add(item, by.Items, random)
			s.bytes.Low, s.bytes.High = s.bytes.Low+float64(item.Size), s.bytes.High+float64(item.Size)
			if s.read == most {
				return nil
			}
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// add counts an item, and keeps it with the probability n/read.
func (s *sample[T]) add(item Item[T], n int, random *rand.Rand) {
	s.read++
	if len(s.items) < n {
		s.items = append(s.items, item)
		return
	}
	if at := random.Int64N(s.read); at < int64(n) {
		s.items[at] = item
	}
}

// idsOf returns the IDs of items.
func idsOf[T any](items []Item[T]) []string {
	ids := make([]string, len(items))
	for i := range items {
		ids[i] = items[i].ID()
	}
	return ids
}

// known is the part that is known without calls.
func (s *sample[T]) known() Estimation {
	return Estimation{RunID: s.runID, Sampled: len(s.items), Items: s.total, Bytes: s.bytes}
}

// level of each range, a little more than 90 %: the ends of a range of times have two parts.
const level = 0.95

// ruleOfThree is the upper end of the expected number of events of a kind that none of the units
// had (Hanley and Lippman-Hand, If Nothing Goes Wrong, Is Everything All Right?, JAMA 249, 1983).
const ruleOfThree = 3

// estimate tells what all items take.
func (s *sample[T]) estimate(stats Stats, m measuredCalls, opts Options, by Sampling) (Estimation, error) {
	e := s.known()
	e.RunID, e.Failed = stats.RunID, int(stats.Failed)
	if len(m.seconds) == 0 {
		return e, s.refuse("time", fmt.Errorf("%w: none of the sampled items could be read", estimate.ErrFew))
	}
	random := newRandom(by.Seed + 1)
	units := unitsOf(s.total, m, random)
	e.Requests = requestsOf(m.calls, units, opts.Retry.MaxAttempts, random)
	if err := estimate.Check(m.seconds); err != nil {
		return e, s.refuse("time", err)
	}
	if m.inBatches {
		units = estimate.Range(e.Requests)
	}
	var errs []error
	for _, c := range by.Concurrency {
		r := estimate.Time(m.seconds, units, c, level, random)
		if err := estimate.CheckWidth(r); err != nil {
			errs = append(errs, s.refuse(fmt.Sprintf("time at concurrency %d", c), err))
			continue
		}
		e.Times = append(e.Times, TimeRange{c, seconds(r.Low), seconds(r.High)})
	}
	return e, errors.Join(errs...)
}

// unitsOf returns how many units all items are.
func unitsOf(items Range, m measuredCalls, random *rand.Rand) estimate.Range {
	n := float64(len(m.sizes))
	size := estimate.Rest(m.sizes, n*max(1, items.Low/m.sampled), level, random)
	return estimate.Range{Low: items.Low * m.share / size.High, High: items.High * m.share / size.Low}
}

// requestsOf returns how many calls the units take, from those of the sampled ones. The calls of
// the run are others: they may fail where those of the sample did not.
func requestsOf(calls []float64, units estimate.Range, attempts int, random *rand.Rand) Range {
	n := float64(len(calls))
	per := estimate.Rest(calls, max(units.Low, n), level, random)
	if per.Low == per.High && attempts > 1 {
		per.High += ruleOfThree / n * float64(attempts-1)
	}
	return Range{math.Floor(units.Low * per.Low), math.Ceil(units.High * per.High)}
}

func (s *sample[T]) refuse(what string, err error) error {
	return &SampleError{Sampled: len(s.items), What: what, Err: fmt.Errorf("%w: raise Sampling.Items", err)}
}

// longest is the longest time that an estimate tells.
const longest = time.Duration(1<<63 - 1)

func seconds(s float64) time.Duration {
	if s >= longest.Seconds() {
		return longest
	}
	return time.Duration(s * float64(time.Second))
}
