package source

import (
	"context"
	"errors"
	"iter"

	"github.com/go-dmap/dmap/dmap"
)

// Seq yields the values of a sequence. To be run again or resumed, the sequence must yield the same
// values in the same order each time it is ranged over. It is one split: a resumed run reads and
// drops the items before its cursor.
func Seq[T any](values iter.Seq[T]) dmap.Source[T] {
	if values == nil {
		return seq[T]{}
	}
	return seq[T]{func(yield func(T, error) bool) {
		values(func(value T) bool { return yield(value, nil) })
	}}
}

// Seq2 is Seq for a sequence that can fail: a non-nil error ends the source, and with it the run.
func Seq2[T any](values iter.Seq2[T, error]) dmap.Source[T] { return seq[T]{values} }

type seq[T any] struct{ values iter.Seq2[T, error] }

func (s seq[T]) String() string { return "sequence" }

func (s seq[T]) Plan() dmap.Plan[T] {
	if s.values == nil {
		return brokenPlan[T](invalid(s, errors.New("the sequence is nil")))
	}
	p := dmap.PlanOf[T](withoutPlan[T]{s})
	p.LocalKeys = allLocal
	return p
}

func (s seq[T]) Items(context.Context) iter.Seq2[dmap.Item[T], error] {
	if err := s.Plan().Err; err != nil {
		return broken[dmap.Item[T]](err)
	}
	return func(yield func(dmap.Item[T], error) bool) {
		var n int64
		for value, err := range s.values {
			if err != nil {
				yield(dmap.Item[T]{}, err)
				return
			}
			item := dmap.Item[T]{Key: itemKey, Offset: n, Index: n, Value: value, Next: dmap.Cursor{Offset: n + 1}}
			if !yield(item, nil) {
				return
			}
			n++
		}
	}
}
