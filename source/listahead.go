package source

import (
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/go-dmap/dmap/dmap"
)

// maxAhead bounds the items that an ordered reading holds before they are yielded: about 30 MB of
// objects.
const maxAhead = 100_000

// readAhead yields the items of a Plan with TrySplit in source order, and reads as many ranges of
// them at once as the Plan allows. It holds about most items: with a source of more, readers of
// later ranges wait until the consumer has taken the items before them.
func readAhead[T any](ctx context.Context, p dmap.Plan[T], most int) iter.Seq2[splitItem[T], error] {
	return func(yield func(splitItem[T], error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		a := &lookahead[T]{plan: p, readers: max(p.Readers, 1), most: most}
		a.work.L, a.ready.L = &a.mu, &a.mu
		if p.Readers == 0 {
			a.readers = defaultReaders
		}
		var wait sync.WaitGroup
		defer wait.Wait()
		defer a.stop()
		defer cancel()
		wait.Go(func() { a.planSplits(ctx) })
		for range a.readers {
			wait.Go(func() { a.readRanges(ctx) })
		}
		for split, items, err := a.next(); len(items) > 0 || err != nil; split, items, err = a.next() {
			if err != nil {
				yield(splitItem[T]{}, err)
				return
			}
			for _, item := range items {
				if !yield(splitItem[T]{item, split}, nil) {
					return
				}
			}
		}
	}
}

// splitItem is an item, and the ID of the split that it was read in.
type splitItem[T any] struct {
	dmap.Item[T]
	split string
}

// inSplits reads the splits of a Plan one after the other.
func inSplits[T any](ctx context.Context, p dmap.Plan[T]) iter.Seq2[splitItem[T], error] {
	return func(yield func(splitItem[T], error) bool) {
		for split, err := range p.Splits(ctx) {
			if err != nil {
				yield(splitItem[T]{}, err)
				return
			}
			for item, err := range p.Read(ctx, split) {
				if !yield(splitItem[T]{item, split.ID}, err) || err != nil {
					return
				}
			}
		}
	}
}

// lookahead is the state of one readAhead.
type lookahead[T any] struct {
	plan    dmap.Plan[T]
	readers int
	most    int // items to hold, apart from those of the first range

	mu       sync.Mutex   // guards the fields below
	work     sync.Cond    // for readers and the planner: there may be something to do, or it is over
	ready    sync.Cond    // for the consumer: the first range has items, or has ended
	ranges   []*ranged[T] // in source order; those that no reader has started yet are the last ones
	held     int          // items in all ranges
	planned  bool         // no range follows but by division
	progress bool         // something was read since the last call of TrySplit
	asking   bool         // TrySplit runs
	stopped  bool
	err      error // a panic of TrySplit
}

// ranged is a range of the source. One reader reads it; its end moves when it is divided.
type ranged[T any] struct {
	split   dmap.Split // From is the position of the reader
	items   []dmap.Item[T]
	count   int // of all items that were read
	started bool
	ended   bool
	err     error // follows the items
}

// batchAhead is the number of items that the consumer takes at once, and the number that the first
// range may always hold.
const batchAhead = 1000

// next returns the next items in order, and the ID of their split; none at the end.
func (a *lookahead[T]) next() (split string, items []dmap.Item[T], err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		switch {
		case a.err != nil:
			return "", nil, a.err
		case len(a.ranges) == 0 && a.planned:
			return "", nil, nil
		case len(a.ranges) == 0:
			a.ready.Wait()
		case len(a.ranges[0].items) > 0:
			first := a.ranges[0]
			n := min(len(first.items), batchAhead)
			items = slices.Clone(first.items[:n])
			clear(first.items[:n])
			first.items = first.items[n:]
			a.held -= n
			a.work.Broadcast()
			return first.split.ID, items, nil
		case a.ranges[0].err != nil:
			return "", nil, a.ranges[0].err
		case a.ranges[0].ended:
			a.ranges = a.ranges[1:]
			a.work.Broadcast()
		default:
			a.ready.Wait()
		}
	}
}

func (a *lookahead[T]) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped = true
	a.work.Broadcast()
}

// planSplits adds the splits of the Plan. It stays a few splits ahead of the readers.
func (a *lookahead[T]) planSplits(ctx context.Context) {
	err := a.guard(func() error {
		for s, err := range a.plan.Splits(ctx) {
			if err != nil {
				return err
			}
			if !a.add(s) {
				return nil
			}
		}
		return nil
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.ranges = append(a.ranges, &ranged[T]{started: true, ended: true, err: err})
	}
	a.planned = true
	a.work.Broadcast()
	a.ready.Signal()
}

// add adds a split when few wait for a reader. It returns false if no more are wanted.
func (a *lookahead[T]) add(s dmap.Split) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ranges = append(a.ranges, &ranged[T]{split: s})
	a.work.Broadcast()
	for !a.stopped && a.waiting() >= a.readers {
		a.work.Wait()
	}
	return !a.stopped
}

// waiting counts the ranges that no reader has started.
func (a *lookahead[T]) waiting() (n int) {
	for i := len(a.ranges) - 1; i >= 0 && !a.ranges[i].started; i-- {
		n++
	}
	return n
}

// readRanges is one reader.
func (a *lookahead[T]) readRanges(ctx context.Context) {
	for r, s := a.nextRange(ctx); r != nil; r, s = a.nextRange(ctx) {
		err := a.guard(func() error { return a.read(ctx, r, s) })
		a.mu.Lock()
		r.ended, r.err, a.progress = true, err, true
		a.work.Broadcast()
		a.ready.Signal()
		a.mu.Unlock()
	}
}

// guard returns a panic of the source as an error, and dmap.ErrGoexit if the source ends the
// goroutine that f runs on, which is not the caller's.
func (a *lookahead[T]) guard(f func() error) error {
	err := dmap.ErrGoexit
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = guard(f)
	}()
	<-done
	return err
}

// read reads r, which was s at its start.
func (a *lookahead[T]) read(ctx context.Context, r *ranged[T], s dmap.Split) error {
	for item, err := range a.plan.Read(ctx, s) {
		if err != nil {
			return err
		}
		if !a.hold(r, item) {
			return nil
		}
	}
	return nil
}

// hold adds an item to r when there is room. It returns false if the item is not part of r any
// more, or nobody wants it.
func (a *lookahead[T]) hold(r *ranged[T], item dmap.Item[T]) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for !a.stopped && a.full(r) {
		a.work.Wait()
	}
	if a.stopped || r.split.To != (dmap.Cursor{}) && compareCursors(item.Next, r.split.To) > 0 {
		return false
	}
	r.split.From = item.Next
	r.items = append(r.items, item)
	a.held++
	if len(r.items) == 1 && a.ranges[0] == r {
		a.ready.Signal()
	}
	if r.count++; r.count%512 == 1 && !a.progress {
		a.progress = true
		a.work.Broadcast()
	}
	return true
}

func (a *lookahead[T]) full(r *ranged[T]) bool {
	return a.held >= a.most && (r != a.ranges[0] || len(r.items) >= batchAhead)
}

// nextRange returns a range for a reader that has none: the first that nobody reads, or a part of
// one that is read. It returns nil when no range remains.
func (a *lookahead[T]) nextRange(ctx context.Context) (*ranged[T], dmap.Split) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for !a.stopped {
		var reading []*ranged[T]
		for _, r := range a.ranges {
			if !r.started {
				r.started = true
				a.work.Broadcast() // the planner may add another
				return r, r.split
			}
			if !r.ended {
				reading = append(reading, r)
			}
		}
		switch {
		case len(reading) == 0 && a.planned:
			return nil, dmap.Split{}
		case len(reading) > 0 && a.progress && !a.asking && a.held < a.most:
			if r := a.divide(ctx, reading); r != nil {
				return r, r.split
			}
		default:
			a.work.Wait()
		}
	}
	return nil, dmap.Split{}
}

// divide calls TrySplit; mu is held, but not during the call. It returns the second part of the
// range that TrySplit chose, nil if there is none.
func (a *lookahead[T]) divide(ctx context.Context, reading []*ranged[T]) *ranged[T] {
	splits := make([]dmap.Split, len(reading))
	for i, r := range reading {
		splits[i] = r.split
	}
	a.asking, a.progress = true, false
	a.mu.Unlock()
	var which int
	var at dmap.Cursor
	var ok bool
	err := a.guard(func() error {
		which, at, ok = a.plan.TrySplit(ctx, splits)
		return nil
	})
	a.mu.Lock()
	a.asking = false
	a.work.Broadcast()
	if err != nil {
		a.err = err
		a.ready.Signal()
		return nil
	}
	if !ok || which < 0 || which >= len(reading) {
		return nil
	}
	r := reading[which]
	if r.ended || compareCursors(at, r.split.From) <= 0 || r.split.To != (dmap.Cursor{}) && compareCursors(at, r.split.To) >= 0 {
		a.progress = a.progress || r.split != splits[which] // too late: ask again if the reader has moved
		return nil
	}
	rest := &ranged[T]{split: r.split, started: true}
	rest.split.From, r.split.To = at, at
	a.ranges = slices.Insert(a.ranges, slices.Index(a.ranges, r)+1, rest)
	a.progress = true
	return rest
}
