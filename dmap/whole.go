package dmap

import (
	"context"
	"fmt"
	"iter"

	"github.com/go-dmap/dmap/internal/fingerprint"
)

// whole reads a source without a Plan as one split.
type whole[T any] struct{ Source[T] }

func (w whole[T]) splits(context.Context) iter.Seq2[Split, error] {
	return func(yield func(Split, error) bool) { yield(Split{ID: "all"}, nil) }
}

// read reads the source from its start, and drops the items before s.From. A durable run follows
// the reading by a Prefix, which compares the dropped items with those that were settled.
func (w whole[T]) read(ctx context.Context, s Split) iter.Seq2[Item[T], error] {
	return func(yield func(Item[T], error) bool) {
		identity := w.identity(fingerprint.From(ctx))
		var n int64
		for item, err := range w.Items(ctx) {
			if err == nil {
				item.Index = n
				n++
				item.Next = Cursor{Offset: n}
				if identity.prefix != nil {
					err = identity.add(item)
				}
				if err == nil && n <= s.From.Offset {
					if ctx.Err() == nil {
						continue
					}
					err = context.Cause(ctx) // the sequence of a user may not know ctx
				}
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
		if err := identity.end(n, max(s.From.Offset, s.To.Offset)); err != nil {
			yield(Item[T]{}, err)
		}
	}
}

// identity adds the items of a reading to its Prefix. A nil prefix: nobody compares them.
type identity[T any] struct {
	prefix *fingerprint.Prefix
	item   *Item[T] // the item that is added: one on the heap, not one for each
	of     func(h fingerprint.Hash, item *Item[T]) (fingerprint.Hash, error)
}

// identified is a source of this module that knows better than its values which items are the same.
type identified[T any] interface {
	Identity(h fingerprint.Hash, item *Item[T]) (fingerprint.Hash, error)
}

func (w whole[T]) identity(p *fingerprint.Prefix) identity[T] {
	if p == nil {
		return identity[T]{}
	}
	p.Start()
	if own, ok := w.Source.(identified[T]); ok {
		return identity[T]{p, new(Item[T]), own.Identity}
	}
	values := fingerprint.Of[T]()
	return identity[T]{p, new(Item[T]), func(h fingerprint.Hash, item *Item[T]) (fingerprint.Hash, error) {
		h = h.Text(item.Key).Word(uint64(item.Offset))
		switch {
		case skips(item.Err):
			return h.Word(1), nil
		case item.Err != nil:
			return h.Word(2), nil
		}
		h, err := values.Add(h, &item.Value)
		if err != nil {
			err = fmt.Errorf("item %q: a process that resumes the run cannot compare values of type %T: %w: give the field the tag `dmap:\"-\"`, or the source a Plan",
				item.ID(), item.Value, err)
		}
		return h, err
	}}
}

// add adds an item to the prefix, which is not nil.
func (i *identity[T]) add(item Item[T]) error {
	*i.item = item
	h, err := i.of(0, i.item)
	if err != nil {
		return err
	}
	return i.prefix.Add(h)
}

// end checks the number of items: an earlier reading had at least before items.
func (i *identity[T]) end(n, before int64) error {
	if i.prefix != nil {
		if err := i.prefix.End(); err != nil {
			return err
		}
	}
	return fingerprint.Shorter(n, before)
}
