package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/go-dmap/dmap/dmap"
	guarded "github.com/go-dmap/dmap/internal/guard"
)

// defaultReaders is the number of readers of a Plan that leaves it open.
const defaultReaders = 8

// planned is a source that consists of a name and a Plan.
type planned[T any] struct {
	name  string
	plan  dmap.Plan[T]
	items func(ctx context.Context) iter.Seq2[dmap.Item[T], error] // nil: the splits in order
	lists keyLister                                                // nil: its objects may have any key
}

func (p *planned[T]) String() string { return p.name }

func (p *planned[T]) Plan() dmap.Plan[T] { return p.plan }

func (p *planned[T]) Items(ctx context.Context) iter.Seq2[dmap.Item[T], error] {
	if p.items == nil || p.plan.Err != nil {
		return inOrder(ctx, p.plan)
	}
	return p.items(ctx)
}

// brokenPlan is the Plan of a source with wrong arguments.
func brokenPlan[T any](err error) dmap.Plan[T] {
	return dmap.Plan[T]{
		Err:    err,
		Splits: func(context.Context) iter.Seq2[dmap.Split, error] { return broken[dmap.Split](err) },
		Read:   func(context.Context, dmap.Split) iter.Seq2[dmap.Item[T], error] { return broken[dmap.Item[T]](err) },
	}
}

// broken is a sequence that yields only an error.
func broken[V any](err error) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		var none V
		yield(none, err)
	}
}

// inOrder reads the splits of a Plan one after the other.
func inOrder[T any](ctx context.Context, p dmap.Plan[T]) iter.Seq2[dmap.Item[T], error] {
	return func(yield func(dmap.Item[T], error) bool) {
		var empty error // of listings without objects: the splits after them are read all the same
		for split, err := range p.Splits(ctx) {
			if err != nil {
				yield(dmap.Item[T]{}, errors.Join(empty, err))
				return
			}
			for item, err := range p.Read(ctx, split) {
				if guarded.Is(err, dmap.ErrNoObjects) {
					empty = errors.Join(empty, err)
					break
				}
				if !yield(item, err) || err != nil {
					return
				}
			}
		}
		if empty != nil {
			yield(dmap.Item[T]{}, empty)
		}
	}
}

// plansOf returns the Plans of the sources that another source wraps, and all that is wrong with
// their arguments.
func plansOf[T any](sources ...dmap.Source[T]) ([]dmap.Plan[T], error) {
	plans := make([]dmap.Plan[T], len(sources))
	var errs []error
	for i, src := range sources {
		if src == nil {
			errs = append(errs, fmt.Errorf("part %d is nil", i))
			continue
		}
		plans[i] = dmap.PlanOf(src)
		errs = append(errs, plans[i].Err)
	}
	return plans, errors.Join(errs...)
}

// nameOf returns the name that a source gives itself, or else its type.
func nameOf(src any) string {
	if s, ok := src.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("%T", src)
}

// allLocal is the LocalKeys of a source whose items are numbered.
func allLocal(dmap.Split) bool { return true }

func unknownSplit(s dmap.Split) error {
	return fmt.Errorf("it has no split %q", s.ID)
}

// compareCursors orders the cursors of one split: by key, then by offset.
func compareCursors(a, b dmap.Cursor) int {
	return cmp.Or(strings.Compare(a.Key, b.Key), cmp.Compare(a.Offset, b.Offset))
}

// everywhere is the Plan.Seeks of a source in memory.
func everywhere(dmap.Split) bool { return true }

// keyLister reports whether a listing comes to an object with this key, if there is one. Match is
// not asked.
type keyLister func(ctx context.Context, key string) (bool, error)
