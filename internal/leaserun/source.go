package leaserun

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/journal"
)

// source yields the splits of a lease. Everything else is that of the user's source.
type source[T any] struct {
	of     dmap.Source[T]
	plan   dmap.Plan[T]
	splits []dmap.Split
	began  func() // called when the first item that is not skipped is read
	read   atomic.Bool
	passed atomic.Int64 // splits that the engine has got
}

// String is the name of the user's source: that of the run.
func (s *source[T]) String() string { return Name(s.of) }

// Name is the name of a source, as the run of one machine has it.
func Name(src any) string {
	if named, ok := src.(fmt.Stringer); ok {
		return named.String()
	}
	return fmt.Sprintf("%T", src)
}

// Items is not used: the engine reads a Planner by its Plan.
func (s *source[T]) Items(ctx context.Context) iter.Seq2[dmap.Item[T], error] { return s.of.Items(ctx) }

func (s *source[T]) Plan() dmap.Plan[T] {
	p := s.plan
	p.Splits, p.Resume, p.Read = s.yield, nil, s.readSplit
	if p.Fill != nil {
		p.Fill = s.fill
	}
	if p.Find != nil {
		p.Find = s.find
	}
	return p
}

// yield yields the splits, after it has compared those whose Version only their content tells: this
// machine may have other values than the one that has planned.
func (s *source[T]) yield(ctx context.Context) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) {
		for _, split := range s.splits {
			err := s.compare(ctx, split)
			s.passed.Add(1)
			if !yield(split, err) || err != nil {
				return
			}
		}
	}
}

func (s *source[T]) compare(ctx context.Context, split dmap.Split) error {
	if s.plan.Version == nil || split.Version == "" {
		return nil
	}
	planned := split.Version
	split.Version = ""
	now, err := s.plan.Version(ctx, split)
	if err == nil && now != "" && now != planned {
		return &dmap.SpecError{Fields: []string{fmt.Sprintf("version of %q: %s, planned with %s", split.ID, now, planned)}}
	}
	return err
}

func (s *source[T]) readSplit(ctx context.Context, split dmap.Split) iter.Seq2[dmap.Item[T], error] {
	items := s.plan.Read(ctx, split)
	if s.read.Load() {
		return items
	}
	return func(yield func(dmap.Item[T], error) bool) {
		for item, err := range items {
			if err == nil && !s.read.Load() && !guard.Is(item.Err, dmap.ErrSkip) {
				s.begin()
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}

func (s *source[T]) fill(ctx context.Context, split dmap.Split, items []dmap.Item[T]) (int, error) {
	n, err := s.plan.Fill(ctx, split, items)
	if !s.read.Load() && slices.ContainsFunc(items[:max(0, min(n, len(items)))], func(item dmap.Item[T]) bool { return !guard.Is(item.Err, dmap.ErrSkip) }) {
		s.begin()
	}
	return n, err
}

// find finds an item that is read again.
func (s *source[T]) find(ctx context.Context, split dmap.Split) (dmap.Item[T], error) {
	item, err := s.plan.Find(ctx, split)
	if !s.read.Load() && err == nil {
		s.begin()
	}
	return item, err
}

// begin says that an item was read. The engine settles it, however soon the lease must return: so
// each attempt makes progress, also one whose source opens slowly.
func (s *source[T]) begin() {
	if s.read.CompareAndSwap(false, true) {
		s.began()
	}
}

// ofSource are the splits of the source, without lists of items to read again, which the engine
// reads from the lane.
func ofSource(splits []dmap.Split) []dmap.Split {
	own := slices.DeleteFunc(slices.Clone(splits), func(s dmap.Split) bool { return journal.IsTakenSplit(s.ID) })
	return inOrder(own)
}

// inOrder sorts splits as the engine wants those of one ID.
func inOrder(splits []dmap.Split) []dmap.Split {
	splits = slices.Clone(splits)
	slices.SortStableFunc(splits, func(a, b dmap.Split) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(a.From.Key, b.From.Key), cmp.Compare(a.From.Offset, b.From.Offset))
	})
	return splits
}
