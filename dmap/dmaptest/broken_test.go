package dmaptest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/go-dmap/dmap/dmap"
)

// numbers is a source of the numbers 0 to 59 in splits of 20, right but for its bug.
type numbers struct {
	bug      string
	from     int64 // the reading after which a bug that comes and goes shows
	readings atomic.Int64
	reading  atomic.Int64 // readings at this moment
}

func (n *numbers) Items(ctx context.Context) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		if n.bug == "Items fails" {
			yield(dmap.Item[int]{}, errors.New("no such bucket"))
			return
		}
		for s, err := range n.Splits(ctx) {
			if err != nil {
				yield(dmap.Item[int]{}, err)
				return
			}
			for item, err := range n.Read(ctx, s) {
				if n.bug == "Items loses one" && item.Value == 30 {
					continue
				}
				if n.bug == "index continues over splits" {
					item.Index = int64(item.Value)
				}
				if !yield(item, err) && n.bug != "Items ignores break" || err != nil {
					return
				}
			}
		}
	}
}

func (n *numbers) Plan() dmap.Plan[int] { return dmap.Plan[int]{Splits: n.Splits, Read: n.Read} }

func (n *numbers) Splits(ctx context.Context) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) {
		offset := int64(0)
		if n.bug == "plan changes" {
			offset = n.readings.Add(1)
		}
		for i := range int64(3) {
			s := dmap.Split{ID: fmt.Sprint("part-", i), From: dmap.Cursor{Offset: i * 20}, To: dmap.Cursor{Offset: i*20 + 20}}
			switch {
			case n.bug == "plan changes":
				s.Version = fmt.Sprint(offset)
			case n.bug == "splits share their ID": // which is none
				s.ID = "part"
			case n.bug == "splits of one ID overlap":
				s.ID = "part"
				s.From.Offset = max(s.From.Offset-1, 0)
			case n.bug == "split has no ID" && i == 1:
				s.ID = ""
			case n.bug == "split does not survive JSON":
				s.Object = "\xff"
			case n.bug == "Splits ends with the context" && ctx.Err() != nil:
				return
			}
			if !yield(s, nil) && n.bug != "Splits ignores break" {
				return
			}
		}
	}
}

func (n *numbers) Read(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		from, to := s.From.Offset, s.To.Offset
		reading := n.readings.Add(1)
		if n.reading.Add(1) > 1 && n.bug == "readings share state" {
			to--
		}
		defer n.reading.Add(-1)
		for v := from; v < to; v++ {
			if ctx.Err() != nil {
				switch n.bug {
				case "context ends silently":
					return
				case "context is not the error":
					yield(dmap.Item[int]{}, errors.New("oops"))
					return
				}
				yield(dmap.Item[int]{}, context.Cause(ctx))
				return
			}
			if !n.give(v, v-from, reading, yield) {
				return
			}
		}
	}
}

// give yields the number v, the i-th of this reading, with what the bug makes of it.
func (n *numbers) give(v, i, reading int64, yield func(dmap.Item[int], error) bool) bool {
	item := dmap.Item[int]{Key: "numbers", Offset: v, Index: i, Value: int(v), Size: 8, Next: dmap.Cursor{Offset: v + 1}}
	switch n.bug {
	case "value changes":
		item.Value += int(reading)
	case "size changes":
		item.Size += reading
	case "error changes":
		item.Err = fmt.Errorf("error of reading %d", reading)
	case "index is off":
		item.Index++
	case "size is negative":
		item.Size = -1
	case "offset is negative":
		item.Offset -= 100
	case "IDs repeat":
		item.Offset = v / 2
	case "doubled once":
		if v == 45 && reading > n.from && !yield(item, nil) {
			return false
		}
	case "lost once":
		if v == 45 && reading > n.from {
			return true
		}
	case "order changes":
		if reading > n.from && v >= 40 && v < 60 {
			item.Offset = 99 - v
			item.Value = int(item.Offset)
		}
	case "cursor lags":
		item.Next.Offset--
	case "cursor leads":
		item.Next.Offset++
	case "last cursor is the start":
		if v%20 == 19 {
			item.Next = dmap.Cursor{}
		}
	case "cursor changes":
		item.Next.Key = fmt.Sprint(reading)
	}
	return yield(item, nil) || n.bug == "Read ignores break"
}

// plain hides that numbers can be split.
type plain struct{ numbers *numbers }

func (p plain) Items(ctx context.Context) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		index := int64(-1)
		for item, err := range p.numbers.Items(ctx) {
			if index++; p.numbers.bug != "index restarts" {
				item.Index = index
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}

// first is a source of the first n numbers.
type first struct{ n int }

func (f first) Items(context.Context) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		for i := range f.n {
			if !yield(dmap.Item[int]{Offset: int64(i), Index: int64(i), Value: i}, nil) {
				return
			}
		}
	}
}

// shelf is a sink that keeps results, right but for its bug.
type shelf struct {
	bug     string
	mu      sync.Mutex
	open    []dmap.Result[string] // written, not flushed
	results []dmap.Result[string]
	writing atomic.Int64
	spins   atomic.Int64
	steps   []string
}

func (s *shelf) Begin(ctx context.Context, _ dmap.RunSpec) error {
	s.steps = append(s.steps, "begin")
	return ctx.Err()
}

func (s *shelf) Write(ctx context.Context, results []dmap.Result[string]) error {
	switch {
	case ctx.Err() != nil:
		return s.ended(ctx)
	case s.bug == "write is broken":
		return errors.New("no space left")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps = append(s.steps, "write")
	switch {
	case s.bug == "loses the last of a write":
		results = results[:len(results)-1]
	case s.bug == "doubles one" && len(s.open) == 0:
		results = append(slices.Clone(results), results[0])
	}
	for _, r := range results {
		switch {
		case s.bug == "changes values":
			r.Value += "!"
		case s.bug == "loses errors":
			r.Err = nil
		case s.bug == "changes errors" && r.Err != nil:
			r.Err = errors.New("failed")
		case s.bug == "changes keys":
			r.Key = fmt.Sprintf("%.100s", r.Key)
		}
		s.open = append(s.open, r)
	}
	return nil
}

func (s *shelf) Flush(ctx context.Context) error {
	s.steps = append(s.steps, "flush")
	if ctx.Err() != nil {
		return s.ended(ctx)
	}
	if s.bug == "flush is broken" {
		return errors.New("no space left")
	}
	s.results = append(s.results, s.open...)
	return nil
}

func (s *shelf) End(ctx context.Context, e dmap.Ending) error {
	s.steps = append(s.steps, "end")
	if s.bug == "takes pending items for results" {
		for _, p := range e.Pending {
			s.results = append(s.results, dmap.Result[string]{Info: p.Info})
		}
	}
	if s.bug == "drops a failed run" && e.Err != nil {
		s.results = nil
	}
	if s.bug == "end is broken" {
		return errors.New("no space left")
	}
	return nil
}

// ended is what the shelf says once ctx has ended.
func (s *shelf) ended(ctx context.Context) error {
	switch s.bug {
	case "drops what comes late":
		return nil
	case "the error hides the context":
		return errors.New("oops")
	default:
		return context.Cause(ctx)
	}
}

// busyShelf is a shelf that says that it may be written to concurrently.
type busyShelf struct{ *shelf }

func (busyShelf) ConcurrentWrites() {}

func (s busyShelf) Write(ctx context.Context, results []dmap.Result[string]) error {
	defer s.writing.Add(-1)
	if s.writing.Add(1) > 1 && s.bug == "is not concurrent" {
		return nil
	}
	for s.bug == "is not concurrent" && s.writing.Load() == 1 && s.spins.Add(1) < 1e5 {
		runtime.Gosched() // until another one writes, too
	}
	return s.shelf.Write(ctx, results)
}
