package source

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/go-dmap/dmap/dmap"
)

// Filter yields the items of src that keep accepts; the others are counted as skipped. keep is
// called on the goroutines that read; a panic fails the item.
func Filter[T any](src dmap.Source[T], keep func(T) bool) dmap.Source[T] {
	m := mapping[T, T]{f: func(_ context.Context, value T) (T, error) {
		if !keep(value) {
			return value, dmap.ErrSkip
		}
		return value, nil
	}}
	var wrong error
	if keep == nil {
		wrong = errors.New("keep is nil")
	}
	out := m.source("filter", src, wrong)
	out.lists = listsOf(src)
	return out
}

// Transform yields the results of f instead of the values of src, like the ItemSelector of Step
// Functions. An error or a panic of f fails the item, dmap.ErrSkip skips it. f is called on the
// goroutines that read: work that takes long belongs into the function of the map.
func Transform[T, U any](src dmap.Source[T], f func(context.Context, T) (U, error)) dmap.Source[U] {
	m := mapping[T, U]{f: f}
	var wrong error
	if f == nil {
		wrong = errors.New("the function is nil")
	}
	return m.source("transform", src, wrong)
}

// mapping applies a function to each value. It changes neither splits nor cursors, so the Plan of
// the source remains valid.
type mapping[T, U any] struct {
	f       func(context.Context, T) (U, error)
	buffers sync.Pool // of *[]dmap.Item[T], zeroed, for fill
}

// source wraps src; wrong is the error of the function argument.
func (m *mapping[T, U]) source(kind string, src dmap.Source[T], wrong error) *planned[U] {
	out := &planned[U]{name: kind + " of " + nameOf(src)}
	plans, err := plansOf(src)
	if err = errors.Join(err, wrong); err != nil {
		out.plan = brokenPlan[U](invalid(out, err))
		return out
	}
	out.plan = m.plan(plans[0])
	if _, ok := src.(dmap.Planner[T]); ok {
		out.items = func(ctx context.Context) iter.Seq2[dmap.Item[U], error] { return m.each(ctx, src.Items(ctx)) }
	}
	return out
}

func (m *mapping[T, U]) plan(in dmap.Plan[T]) dmap.Plan[U] {
	out := dmap.Plan[U]{
		Splits: in.Splits,
		Read: func(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[U], error] {
			return m.each(ctx, in.Read(ctx, s))
		},
		Version: in.Version, Resume: in.Resume, TrySplit: in.TrySplit, Readers: in.Readers, LocalKeys: in.LocalKeys, Whole: in.Whole,
		Rest: in.Rest, Layout: in.Layout, Seeks: in.Seeks, Find: m.findBy(in), Preflight: in.Try, Sharing: in.Sharing, Skim: skimOf[T, U](in),
	}
	if in.Fill != nil {
		out.Fill = func(ctx context.Context, s dmap.Split, items []dmap.Item[U]) (int, error) {
			return m.fill(ctx, in, s, items)
		}
	}
	if _, same := any(in).(dmap.Plan[U]); same { // otherwise the values are no longer the ones that have an origin
		out.Origins = in.Origins
	}
	return out
}

func (m *mapping[T, U]) each(ctx context.Context, items iter.Seq2[dmap.Item[T], error]) iter.Seq2[dmap.Item[U], error] {
	return func(yield func(dmap.Item[U], error) bool) {
		for in, err := range items {
			if err != nil {
				yield(dmap.Item[U]{}, err)
				return
			}
			var out dmap.Item[U]
			m.apply(ctx, &in, &out)
			if !yield(out, nil) {
				return
			}
		}
	}
}

// fill has the source fill a buffer: items themselves if the type is the same.
func (m *mapping[T, U]) fill(ctx context.Context, in dmap.Plan[T], s dmap.Split, items []dmap.Item[U]) (int, error) {
	buffer, same := any(items).([]dmap.Item[T])
	if !same {
		pooled, ok := m.buffers.Get().(*[]dmap.Item[T])
		if !ok || cap(*pooled) < len(items) {
			made := make([]dmap.Item[T], len(items))
			pooled = &made
		}
		buffer = (*pooled)[:len(items)]
		defer func() {
			clear(buffer)
			m.buffers.Put(pooled)
		}()
	}
	n, err := in.Fill(ctx, s, buffer)
	for i := range buffer[:max(0, min(n, len(buffer)))] {
		m.apply(ctx, &buffer[i], &items[i])
	}
	return n, err
}

// apply sets out to the item for in, which may be the same variable.
func (m *mapping[T, U]) apply(ctx context.Context, in *dmap.Item[T], out *dmap.Item[U]) {
	value, err := in.Value, in.Err
	*out = dmap.Item[U]{Key: in.Key, Offset: in.Offset, Index: in.Index, Size: in.Size, Next: in.Next, Err: err}
	if err != nil {
		return
	}
	defer func() {
		if panicked := recover(); panicked != nil {
			out.Err = panicError(panicked)
		}
	}()
	out.Value, out.Err = m.f(ctx, value)
}

// findBy is the Plan.Find of a mapping, nil if its source has none.
func (m *mapping[T, U]) findBy(in dmap.Plan[T]) func(context.Context, dmap.Split) (dmap.Item[U], error) {
	if in.Find == nil {
		return nil
	}
	return func(ctx context.Context, s dmap.Split) (out dmap.Item[U], err error) {
		item, err := in.Find(ctx, s)
		if err != nil {
			return out, err
		}
		m.apply(ctx, &item, &out)
		return out, nil
	}
}

// skimOf is the Skim of a mapping: its function is not called.
func skimOf[T, U any](in dmap.Plan[T]) func(context.Context, dmap.Split) iter.Seq2[dmap.Item[U], error] {
	skim := in.Skim
	if skim == nil {
		skim = in.Read
	}
	return func(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[U], error] {
		return func(yield func(dmap.Item[U], error) bool) {
			for item, err := range skim(ctx, s) {
				out := dmap.Item[U]{Key: item.Key, Offset: item.Offset, Index: item.Index, Size: item.Size, Next: item.Next, Err: item.Err}
				if !yield(out, err) || err != nil {
					return
				}
			}
		}
	}
}
