package source

import (
	"context"
	"fmt"
	"iter"
	"strconv"

	"github.com/go-dmap/dmap/dmap"
)

// itemKey is the key of items that have none: "item@5" names the sixth.
const itemKey = "item"

// sliceSplit is the number of items in a split of a slice.
const sliceSplit = 10_000

// Slice yields the values of a slice, which must not change during the run, in splits of 10,000.
func Slice[T any](items []T) dmap.Source[T] { return slice[T](items) }

type slice[T any] []T

func (s slice[T]) String() string { return fmt.Sprintf("slice of %d", len(s)) }

func (s slice[T]) Plan() dmap.Plan[T] {
	fill := func(_ context.Context, split dmap.Split, items []dmap.Item[T]) (int, error) {
		return s.fill(split, items), nil
	}
	return dmap.Plan[T]{Splits: s.splits, Read: s.read, Fill: fill, LocalKeys: allLocal, Whole: dmap.Split{ID: itemKey}, Seeks: everywhere}
}

func (s slice[T]) Items(ctx context.Context) iter.Seq2[dmap.Item[T], error] {
	return inOrder(ctx, s.Plan())
}

func (s slice[T]) splits(context.Context) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) {
		for from := 0; from < len(s); from += sliceSplit {
			split := dmap.Split{ID: itemKey + strconv.Itoa(from), From: dmap.Cursor{Offset: int64(from)}}
			if to := from + sliceSplit; to < len(s) {
				split.To.Offset = int64(to)
			}
			if !yield(split, nil) {
				return
			}
		}
	}
}

func (s slice[T]) read(_ context.Context, split dmap.Split) iter.Seq2[dmap.Item[T], error] {
	return func(yield func(dmap.Item[T], error) bool) {
		from, to := s.bounds(split)
		for i := from; i < to; i++ {
			item := dmap.Item[T]{Key: itemKey, Offset: i, Index: i - from, Value: s[i], Next: dmap.Cursor{Offset: i + 1}}
			if !yield(item, nil) {
				return
			}
		}
	}
}

// fill sets items to the first items of split and returns their number.
func (s slice[T]) fill(split dmap.Split, items []dmap.Item[T]) int {
	from, to := s.bounds(split)
	n := int(min(to-from, int64(len(items))))
	for k := range n {
		item, i := &items[k], from+int64(k) // field by field: a composite literal would be built first, then copied
		item.Key, item.Offset, item.Value, item.Next.Offset = itemKey, i, s[i], i+1
	}
	return n
}

// bounds returns the positions of a split's items.
func (s slice[T]) bounds(split dmap.Split) (from, to int64) {
	all := int64(len(s))
	to = split.To.Offset
	if to == 0 {
		to = all
	}
	return min(max(split.From.Offset, 0), all), min(max(to, split.From.Offset), all)
}
