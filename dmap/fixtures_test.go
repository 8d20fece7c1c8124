package dmap_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/go-dmap/dmap/dmap"
)

var errBoom = errors.New("boom")

// numbers is a source of n ints without splits.
type numbers int

func (n numbers) String() string { return fmt.Sprintf("%d numbers", int(n)) }

func (n numbers) Items(context.Context) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		for i := range int(n) {
			if !yield(dmap.Item[int]{Key: "n", Offset: int64(i), Value: i}, nil) {
				return
			}
		}
	}
}

// splitReader is a source that is read in splits. A type that embeds one and replaces Read must
// have a Plan of its own, else the engine reads the embedded one.
type splitReader interface {
	dmap.Source[int]
	Splits(ctx context.Context) iter.Seq2[dmap.Split, error]
	Read(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[int], error]
}

func planOf(s splitReader) dmap.Plan[int] { return dmap.Plan[int]{Splits: s.Splits, Read: s.Read} }

// pieces is a source of ints in splits of each.
type pieces struct{ n, each int }

func (p pieces) Plan() dmap.Plan[int] { return planOf(p) }

func (p pieces) Items(ctx context.Context) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		for s, err := range p.Splits(ctx) {
			for item := range p.Read(ctx, s) {
				if !yield(item, err) {
					return
				}
			}
		}
	}
}

func (p pieces) Splits(context.Context) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) {
		for from := 0; from < p.n; from += p.each {
			s := dmap.Split{ID: fmt.Sprint(from), From: dmap.Cursor{Offset: int64(from)}, To: dmap.Cursor{Offset: int64(min(from+p.each, p.n))}}
			if !yield(s, nil) {
				return
			}
		}
	}
}

func (p pieces) Read(_ context.Context, s dmap.Split) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		for i := s.From.Offset; i < s.To.Offset; i++ {
			item := dmap.Item[int]{Key: "n", Offset: i, Value: int(i), Next: dmap.Cursor{Offset: i + 1}}
			if !yield(item, nil) {
				return
			}
		}
	}
}

// items is a source that yields what a function says.
type items func(ctx context.Context, yield func(dmap.Item[int], error) bool)

func (f items) Items(ctx context.Context) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) { f(ctx, yield) }
}

// keep is a sink that keeps everything it gets.
type keep[R any] struct {
	mu      sync.Mutex
	results []dmap.Result[R]
	flushed int
	began   []dmap.RunSpec
	ended   []dmap.Ending
}

func (k *keep[R]) Write(_ context.Context, results []dmap.Result[R]) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.results = append(k.results, results...)
	return nil
}

func (k *keep[R]) Flush(context.Context) error { k.flushed++; return nil }

func (k *keep[R]) Begin(_ context.Context, b dmap.RunSpec) error {
	k.began = append(k.began, b)
	return nil
}

func (k *keep[R]) End(_ context.Context, e dmap.Ending) error {
	k.ended = append(k.ended, e)
	return nil
}

// byOffset returns the results by the offset of their item.
func (k *keep[R]) byOffset() map[int64]dmap.Result[R] {
	m := make(map[int64]dmap.Result[R])
	for _, r := range k.results {
		m[r.Offset] = r
	}
	return m
}

func double(_ context.Context, i int) (int, error) { return 2 * i, nil }
