package source

import (
	"context"
	"fmt"
	"iter"

	"github.com/go-dmap/dmap/dmap"
)

// ownKey is the key of items that have none: "item@5" names the sixth.
const ownKey = "item"

// sliceSplit is how many items of a slice make a split.
const sliceSplit = 1000

// Slice yields the values of a slice, which must not change during the run, in splits of 1,000.
func Slice[T any](items []T) dmap.Splitter[T] { return slice[T](items) }

type slice[T any] []T

func (s slice[T]) String() string { return fmt.Sprintf("slice of %d", len(s)) }

// Validate returns nil: every slice is valid.
func (s slice[T]) Validate() error { return nil }

func (s slice[T]) Splits(context.Context) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) {
		for from := 0; from < len(s); from += sliceSplit {
			split := dmap.Split{ID: fmt.Sprintf("item%d", from), From: dmap.Cursor{Offset: int64(from)}}
			if to := from + sliceSplit; to < len(s) {
				split.To.Offset = int64(to)
			}
			if !yield(split, nil) {
				return
			}
		}
	}
}

func (s slice[T]) Items(ctx context.Context) iter.Seq2[dmap.Item[T], error] { return inOrder(ctx, s) }

// inOrder reads the splits of src one after the other.
func inOrder[T any](ctx context.Context, src dmap.Splitter[T]) iter.Seq2[dmap.Item[T], error] {
	return func(yield func(dmap.Item[T], error) bool) {
		for split, err := range src.Splits(ctx) {
			if err != nil {
				yield(dmap.Item[T]{}, err)
				return
			}
			for item, err := range src.Read(ctx, split) {
				if !yield(item, err) || err != nil {
					return
				}
			}
		}
	}
}

func (s slice[T]) Read(_ context.Context, split dmap.Split) iter.Seq2[dmap.Item[T], error] {
	return func(yield func(dmap.Item[T], error) bool) {
		from, to := max(split.From.Offset, 0), split.To.Offset
		if to == 0 || to > int64(len(s)) {
			to = int64(len(s))
		}
		for i := from; i < to; i++ {
			item := dmap.Item[T]{Key: ownKey, Offset: i, Index: i - from, Value: s[i], Next: dmap.Cursor{Offset: i + 1}}
			if !yield(item, nil) {
				return
			}
		}
	}
}
