package source

import (
	"context"
	"errors"
	"iter"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/fingerprint"
)

// SeqOptions tune Seq and Seq2.
type SeqOptions[T any] = SliceOptions[T]

// Seq yields the values of a sequence. To be run again or resumed, the sequence must yield the same
// values in the same order each time it is ranged over. It is one split: a resumed run reads and
// drops the items before its cursor, compares them with those that were settled, and ends with
// dmap.ErrSpecChanged if they differ. The comparison costs what that of Slice does. If items before
// the cursor have not been settled, the sequence is ranged over several times, so it must not be
// one that can be read only once. At most one SeqOptions may be given.
func Seq[T any](values iter.Seq[T], options ...SeqOptions[T]) dmap.Source[T] {
	if values == nil {
		return newSeq(nil, options)
	}
	return newSeq(func(yield func(T, error) bool) {
		values(func(value T) bool { return yield(value, nil) })
	}, options)
}

// Seq2 is Seq for a sequence that can fail: a non-nil error ends the source, and with it the run.
func Seq2[T any](values iter.Seq2[T, error], options ...SeqOptions[T]) dmap.Source[T] {
	return newSeq(values, options)
}

func newSeq[T any](values iter.Seq2[T, error], options []SeqOptions[T]) *seq[T] {
	s := &seq[T]{values: values, identity: identityOf("Seq", options)}
	err := checkOptions(len(options))
	if values == nil {
		err = errors.Join(err, errors.New("the sequence is nil"))
	}
	s.invalid = invalid(s, err)
	return s
}

type seq[T any] struct {
	values   iter.Seq2[T, error]
	identity identity[T]
	invalid  error
}

func (s *seq[T]) String() string { return "sequence" }

func (s *seq[T]) Plan() dmap.Plan[T] {
	if s.invalid != nil {
		return brokenPlan[T](s.invalid)
	}
	p := dmap.PlanOf[T](withoutPlan[T]{s})
	p.LocalKeys = allLocal
	return p
}

func (s *seq[T]) Items(context.Context) iter.Seq2[dmap.Item[T], error] {
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

// withoutPlan hides the Plan of a sequence.
type withoutPlan[T any] struct{ s *seq[T] }

func (w withoutPlan[T]) Items(ctx context.Context) iter.Seq2[dmap.Item[T], error] {
	return w.s.Items(ctx)
}

// Identity is what a resumed run compares of an item.
func (w withoutPlan[T]) Identity(h fingerprint.Hash, item *dmap.Item[T]) (fingerprint.Hash, error) {
	return w.s.identity.add(h, item.Offset, &item.Value)
}
