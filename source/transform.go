package source

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/go-dmap/dmap/dmap"
)

// Filter yields the items of src that keep accepts; the others are counted as skipped. keep is called on the goroutines that
// read; if it panics the item fails.
func Filter[T any](src dmap.Source[T], keep func(T) bool) dmap.Splitter[T] {
	m := &mapped[T, T]{name: "filter", src: src, invalid: checkParts(src)}
	if keep == nil {
		m.invalid = errors.Join(m.invalid, errors.New("keep is nil"))
	}
	m.f = func(_ context.Context, value T) (T, error) {
		if !keep(value) {
			return value, dmap.ErrSkip
		}
		return value, nil
	}
	m.finish()
	return m
}

// Transform makes each value of src into what f returns: the ItemSelector of Step Functions. An error or a panic of f fails the
// item, dmap.ErrSkip skips it. f is called on the goroutines that read, so long work belongs into the function of the map.
func Transform[T, U any](src dmap.Source[T], f func(context.Context, T) (U, error)) dmap.Splitter[U] {
	m := &mapped[T, U]{name: "transform", src: src, f: f, invalid: checkParts(src)}
	if f == nil {
		m.invalid = errors.Join(m.invalid, errors.New("the function is nil"))
	}
	m.finish()
	return m
}

// mapped is a source whose values went through a function. Its splits are those of the source.
type mapped[T, U any] struct {
	name    string
	src     dmap.Source[T]
	pieces  dmap.Splitter[T] // nil if invalid
	f       func(context.Context, T) (U, error)
	invalid error
}

func (m *mapped[T, U]) finish() {
	if m.invalid != nil {
		m.invalid = invalid(m, m.invalid)
		return
	}
	m.pieces = dmap.Pieces(m.src)
}

// checkParts returns what is wrong with the sources that another is made of.
func checkParts[T any](sources ...dmap.Source[T]) error {
	var errs []error
	for i, src := range sources {
		if src == nil {
			errs = append(errs, fmt.Errorf("part %d is nil", i))
		} else if v, ok := src.(interface{ Validate() error }); ok {
			errs = append(errs, v.Validate())
		}
	}
	return errors.Join(errs...)
}

// Validate returns all that is wrong with the arguments, joined.
func (m *mapped[T, U]) Validate() error { return m.invalid }

func (m *mapped[T, U]) String() string { return m.name + " of " + name(m.src) }

// name is what a source calls itself.
func name(src any) string {
	if s, ok := src.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("%T", src)
}

// origins tells Flatten where the objects come from that a filter lets through.
func (m *mapped[T, U]) origins() []*origin { return originsOf(m.src) }

func (m *mapped[T, U]) Splits(ctx context.Context) iter.Seq2[dmap.Split, error] {
	if m.invalid != nil {
		return broken[dmap.Split](m.invalid)
	}
	return m.pieces.Splits(ctx)
}

// Resume is that of the source.
func (m *mapped[T, U]) Resume(ctx context.Context, settled func(id string) dmap.Cursor) iter.Seq2[dmap.Split, error] {
	if resumer, ok := m.src.(dmap.Resumer); ok && m.invalid == nil {
		return resumer.Resume(ctx, settled)
	}
	return m.Splits(ctx)
}

// broken is a sequence that yields only an error.
func broken[V any](err error) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		var none V
		yield(none, err)
	}
}

// usualReaders is how many splits of a source are read at once that does not say.
const usualReaders = 8

// Readers is that of the source.
func (m *mapped[T, U]) Readers() int {
	if cutter, ok := m.src.(dmap.Cutter); ok {
		return cutter.Readers()
	}
	return usualReaders
}

// Cut is that of the source.
func (m *mapped[T, U]) Cut(ctx context.Context, reading []dmap.Split) (which int, at dmap.Cursor, ok bool) {
	if cutter, ok := m.src.(dmap.Cutter); ok {
		return cutter.Cut(ctx, reading)
	}
	return 0, at, false
}

func (m *mapped[T, U]) Items(ctx context.Context) iter.Seq2[dmap.Item[U], error] {
	if m.invalid != nil {
		return broken[dmap.Item[U]](m.invalid)
	}
	return m.each(ctx, m.src.Items(ctx))
}

func (m *mapped[T, U]) Read(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[U], error] {
	if m.invalid != nil {
		return broken[dmap.Item[U]](m.invalid)
	}
	return m.each(ctx, m.pieces.Read(ctx, s))
}

func (m *mapped[T, U]) each(ctx context.Context, items iter.Seq2[dmap.Item[T], error]) iter.Seq2[dmap.Item[U], error] {
	return func(yield func(dmap.Item[U], error) bool) {
		for in, err := range items {
			if err != nil {
				yield(dmap.Item[U]{}, err)
				return
			}
			if !yield(m.item(ctx, in), nil) {
				return
			}
		}
	}
}

func (m *mapped[T, U]) item(ctx context.Context, in dmap.Item[T]) (out dmap.Item[U]) {
	out = dmap.Item[U]{Key: in.Key, Offset: in.Offset, Index: in.Index, Size: in.Size, Next: in.Next, Err: in.Err}
	if in.Err != nil {
		return out
	}
	defer func() {
		if value := recover(); value != nil {
			out.Err = panicError(value)
		}
	}()
	out.Value, out.Err = m.f(ctx, in.Value)
	return out
}
