package main

import (
	"context"
	"fmt"
	"iter"

	"github.com/go-dmap/dmap/dmap"
)

// generated is a source of the numbers 0 to n-1, in splits of equal size. No number is held in
// memory.
type generated struct{ n, splits int64 }

// generatedKey is the key of all items: they differ by their offset.
const generatedKey = "n"

func (g generated) String() string { return fmt.Sprintf("%d numbers", g.n) }

func (g generated) Plan() dmap.Plan[int64] { return dmap.Plan[int64]{Splits: g.Splits, Read: g.Read} }

func (g generated) Splits(context.Context) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) {
		splits := min(g.splits, g.n)
		for i := range splits {
			from, to := g.n/splits*i, g.n/splits*(i+1)
			split := dmap.Split{ID: fmt.Sprintf("%012d", from), From: dmap.Cursor{Offset: from}, To: dmap.Cursor{Offset: to}}
			if i == splits-1 {
				split.To = dmap.Cursor{}
			}
			if !yield(split, nil) {
				return
			}
		}
	}
}

func (g generated) Read(_ context.Context, split dmap.Split) iter.Seq2[dmap.Item[int64], error] {
	return func(yield func(dmap.Item[int64], error) bool) {
		from, to := split.From.Offset, split.To.Offset
		if to == 0 {
			to = g.n
		}
		for i := from; i < to; i++ {
			if !yield(dmap.Item[int64]{Key: generatedKey, Offset: i, Index: i - from, Value: i, Next: dmap.Cursor{Offset: i + 1}}, nil) {
				return
			}
		}
	}
}

func (g generated) Items(ctx context.Context) iter.Seq2[dmap.Item[int64], error] {
	return func(yield func(dmap.Item[int64], error) bool) {
		for split, err := range g.Splits(ctx) {
			if err != nil {
				yield(dmap.Item[int64]{}, err)
				return
			}
			for item, err := range g.Read(ctx, split) {
				if !yield(item, err) {
					return
				}
			}
		}
	}
}
