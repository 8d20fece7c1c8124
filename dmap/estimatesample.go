package dmap

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/go-dmap/dmap/internal/estimate"
)

// sample is a random sample of the items of a source, and a source of these items.
type sample[T any] struct {
	name  string
	items []Item[T]
	total int64 // items of the source that are not skipped
	bytes int64 // of all these items
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
	err := within(ctx, opts.ignorance(), "Read", func() error { return taken.read(ctx, plan, opts.MaxItems, s, random) })
	if err == errMoreItems {
		return out, &SampleError{What: "number of items", Err: fmt.Errorf("%w (%d)", err, s.MaxRead)}
	}
	if err != nil {
		return out, &SourceError{Err: err}
	}
	out.items, out.total, out.bytes = taken.items, taken.total, taken.bytes
	if len(out.items) < leastSample {
		return out, &SampleError{
			Sampled: len(out.items), What: "time", Err: fmt.Errorf("%w: the source has %d, want at least %d", estimate.ErrFew, out.total, leastSample),
		}
	}
	return out, nil
}

// read reads up to most items, of which it keeps a random sample. 0: all.
func (s *sample[T]) read(ctx context.Context, plan Plan[T], most int64, by Sampling, random *rand.Rand) error {
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
			if s.total == by.MaxRead {
				return errMoreItems
			}
			s.add(item, by.Items, random)
			if s.total == most {
				return nil
			}
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// add counts an item, and keeps it with the probability n/total.
func (s *sample[T]) add(item Item[T], n int, random *rand.Rand) {
	s.total++
	s.bytes += item.Size
	if len(s.items) < n {
		s.items = append(s.items, item)
		return
	}
	if at := random.Int64N(s.total); at < int64(n) {
		s.items[at] = item
	}
}

// ids are those of the items.
func (s *sample[T]) ids() []string {
	ids := make([]string, len(s.items))
	for i := range s.items {
		ids[i] = s.items[i].ID()
	}
	return ids
}

// known is what is known without calls.
func (s *sample[T]) known() Estimation {
	n, bytes := float64(s.total), float64(s.bytes)
	return Estimation{RunID: s.runID, Sampled: len(s.items), Items: Range{n, n}, Bytes: Range{bytes, bytes}}
}

// measuredCalls are the units of work of the sample: items in Map, calls in MapBatch.
type measuredCalls struct {
	seconds []float64 // of each unit
	calls   []float64 // of each unit
	perItem float64   // units
}

// level of each range, a little more than 90 %: the ends of a range of times have two parts.
const level = 0.95

// ruleOfThree is the upper end of the expected number of events of a kind that none of the units had
// (Hanley and Lippman-Hand, If Nothing Goes Wrong, Is Everything All Right?, JAMA 249, 1983).
const ruleOfThree = 3

// estimate tells what all items take.
func (s *sample[T]) estimate(stats Stats, m measuredCalls, opts Options, by Sampling) (Estimation, error) {
	e := s.known()
	e.RunID, e.Failed = stats.RunID, int(stats.Failed)
	random := newRandom(by.Seed + 1)
	units := float64(s.total) * m.perItem
	rest := max(units-float64(len(m.seconds)), 0)
	perUnit := estimate.Rest(m.calls, rest, level, random)
	e.Requests = Range{units * perUnit.Low, units * perUnit.High}
	if rest > 0 && perUnit.Low == perUnit.High && opts.Retry.MaxAttempts > 1 {
		e.Requests.High += rest * ruleOfThree / float64(len(m.calls)) * float64(opts.Retry.MaxAttempts-1)
	}
	if err := estimate.Check(m.seconds); err != nil {
		return e, s.refuse("time", err)
	}
	var errs []error
	for _, c := range by.Concurrency {
		r := estimate.Time(m.seconds, estimate.Range{Low: units, High: units}, c, level, random)
		if err := estimate.CheckWidth(r); err != nil {
			errs = append(errs, s.refuse(fmt.Sprintf("time at concurrency %d", c), err))
			continue
		}
		e.Times = append(e.Times, TimeRange{c, seconds(r.Low), seconds(r.High)})
	}
	return e, errors.Join(errs...)
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
