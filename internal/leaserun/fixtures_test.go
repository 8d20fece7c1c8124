package leaserun_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/leaserun"
)

// store keeps the lanes of all leases, as a bucket does.
type store struct {
	mu    sync.Mutex
	lanes map[int64]*lanes // by the number of the lease
}

// lanes are those of one lease.
type lanes struct {
	commits []journal.Commit
	counted []string // IDs of items whose results count
}

func (s *store) of(id int64) *lanes {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lanes == nil {
		s.lanes = map[int64]*lanes{}
	}
	if s.lanes[id] == nil {
		s.lanes[id] = &lanes{}
	}
	return s.lanes[id]
}

// results are how often each item counts.
func (s *store) results() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]int{}
	for _, l := range s.lanes {
		for _, id := range l.counted {
			out[id]++
		}
	}
	return out
}

// lane is one attempt at a lease.
type lane[R any] struct {
	journal.NoHolds
	journal.NoLists
	journal.NoLanes
	store *store
	of    *lanes

	mu      sync.Mutex
	sealed  bool
	number  int64
	written []string
	barrier []string
}

func (s *store) open(ref lease.Ref) *lanes { return s.of(ref.Lease) }

func newLane[R any](s *store, ref lease.Ref) *lane[R] { return &lane[R]{store: s, of: s.open(ref)} }

func (*lane[R]) ConcurrentWrites() {}

func (l *lane[R]) Write(_ context.Context, results []dmap.Result[R]) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range results {
		l.written = append(l.written, r.ID())
	}
	return nil
}

func (*lane[R]) Flush(context.Context) error { return nil }

func (l *lane[R]) Barrier() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.barrier, l.written = append(l.barrier, l.written...), nil
}

func (l *lane[R]) Commit(context.Context) (json.RawMessage, error) { return json.RawMessage(`1`), nil }

func (*lane[R]) Restore(context.Context, []json.RawMessage) error { return nil }

func (*lane[R]) Close() error { return nil }

// seal ends the lane, as another worker does whose attempt follows.
func (l *lane[R]) seal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sealed = true
}

func (l *lane[R]) OpenJournal(context.Context, dmap.RunSpec, func(context.Context, *journal.Progress) error) (journal.Log, journal.Progress, *dmap.Ending, error) {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	p := journal.Progress{Resumed: true}
	p.Apply(l.of.commits...)
	p.Number = 0
	return l, p, nil, nil
}

func (l *lane[R]) Append(_ context.Context, c journal.Commit) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sealed || c.Number != l.number {
		return fmt.Errorf("record %d: %w", c.Number, dmap.ErrFenced)
	}
	l.number++
	text, err := json.Marshal(c)
	if err == nil {
		c = journal.Commit{}
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		return err
	}
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	l.of.commits = append(l.of.commits, c)
	if len(c.States) > 0 && !c.Begins {
		l.of.counted = append(l.of.counted, l.barrier...)
		l.barrier = nil
	}
	return nil
}

func (l *lane[R]) Progress() ([]journal.Interval, journal.Counts) {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	var p journal.Progress
	p.Apply(l.of.commits...)
	return p.Settled, p.Counts
}

// fleet is a slow obvious coordinator with workers that take one lease at a time.
type fleet[T any] struct {
	job     leaserun.Job[T, int]
	store   *store
	queue   []dmap.Split
	perTime func(n int64) lease.Lease // limits of the n-th lease
	asks    func(n int64, c *leaserun.Control)

	mu      sync.Mutex
	next    int64
	open    int
	reports []lease.Report
}

// run processes the queue with some workers, and returns the splits that are broken or empty.
func (f *fleet[T]) run(ctx context.Context, workers int) (left []dmap.Split, err error) {
	var group sync.WaitGroup
	errs := make([]error, workers)
	for w := range workers {
		group.Go(func() {
			for errs[w] == nil {
				l, ok := f.take()
				if !ok {
					if f.idle() {
						return
					}
					<-time.After(100 * time.Millisecond)
					continue
				}
				errs[w] = f.work(ctx, l)
			}
		})
	}
	group.Wait()
	for _, r := range f.reports {
		left = append(append(left, r.Broken...), r.Empty...)
	}
	return left, errors.Join(errs...)
}

func (f *fleet[T]) idle() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open == 0 && len(f.queue) == 0
}

func (f *fleet[T]) take() (lease.Lease, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) == 0 {
		return lease.Lease{}, false
	}
	l := f.perTime(f.next)
	l.Ref = lease.Ref{Lease: f.next, Attempt: 1}
	n := min(len(f.queue), max(1, len(l.Splits)))
	l.Splits = f.queue[:n:n]
	f.queue = f.queue[n:]
	f.next++
	f.open++
	return l, true
}

func (f *fleet[T]) work(ctx context.Context, l lease.Lease) error {
	var control leaserun.Control
	if f.asks != nil {
		f.asks(l.Lease, &control)
	}
	report, err := leaserun.Run(ctx, f.job, l, newLane[int](f.store, l.Ref), &control)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open--
	f.queue = append(f.queue, report.Rest...)
	f.reports = append(f.reports, report)
	if err == nil && report.Reason == lease.Fatal {
		err = errors.New(report.Error)
	}
	return err
}

// numbers yields 0 to n-1 in splits of each.
type numbers struct {
	n, each int
	delay   time.Duration // before the first item of a reading
}

func (s numbers) String() string { return "numbers" }

func (s numbers) Items(ctx context.Context) iter.Seq2[dmap.Item[int], error] {
	return s.read(ctx, dmap.Split{To: dmap.Cursor{Offset: int64(s.n)}})
}

func (s numbers) Plan() dmap.Plan[int] {
	return dmap.Plan[int]{Splits: s.splits, Read: s.read}
}

func (s numbers) splits(context.Context) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) {
		for from := 0; from < s.n; from += s.each {
			split := dmap.Split{ID: fmt.Sprint(from), From: dmap.Cursor{Offset: int64(from)}, To: dmap.Cursor{Offset: int64(min(from+s.each, s.n))}}
			if !yield(split, nil) {
				return
			}
		}
	}
}

func (s numbers) read(ctx context.Context, split dmap.Split) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		if s.delay > 0 {
			select {
			case <-time.After(s.delay):
			case <-ctx.Done():
				yield(dmap.Item[int]{}, context.Cause(ctx))
				return
			}
		}
		for i := split.From.Offset; i < split.To.Offset; i++ {
			if !yield(dmap.Item[int]{Key: "n", Offset: i, Value: int(i), Next: dmap.Cursor{Offset: i + 1}}, nil) {
				return
			}
		}
	}
}

func collect[V any](seq iter.Seq2[V, error]) (out []V, err error) {
	for v, err := range seq {
		if err != nil {
			return out, err
		}
		out = append(out, v)
	}
	return out, nil
}

// broken is a source whose reading ends with an error.
type broken struct {
	numbers
	err error
}

func (b broken) Plan() dmap.Plan[int] {
	p := b.numbers.Plan()
	p.Read = func(context.Context, dmap.Split) iter.Seq2[dmap.Item[int], error] {
		return func(yield func(dmap.Item[int], error) bool) { yield(dmap.Item[int]{}, b.err) }
	}
	return p
}

type unavailable struct{}

func (unavailable) Error() string       { return "status 503" }
func (unavailable) HTTPStatusCode() int { return 503 }
