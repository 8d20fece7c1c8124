package source

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/go-dmap/dmap/dmap"
)

// Concat yields the items of one source after those of the other. Items of different sources must not have the same ID,
// as the same key in two buckets would: IDs identify results and make idempotency keys. Slices and sequences are told
// apart: their keys become "0/item", "1/item"; but not those of Failures, Pending and Unread, which are known by them.
func Concat[T any](sources ...dmap.Source[T]) dmap.Splitter[T] {
	c := &concat[T]{sources: sources}
	if c.invalid = invalid(c, checkParts(sources...)); c.invalid != nil {
		return c
	}
	for _, src := range sources {
		c.pieces = append(c.pieces, dmap.Pieces(src))
	}
	return c
}

type concat[T any] struct {
	sources []dmap.Source[T]
	pieces  []dmap.Splitter[T]
	invalid error
}

// Validate returns all that is wrong with the sources, joined.
func (c *concat[T]) Validate() error { return c.invalid }

func (c *concat[T]) String() string {
	names := make([]string, len(c.sources))
	for i, src := range c.sources {
		names[i] = name(src)
	}
	return "concat of (" + strings.Join(names, ") and (") + ")"
}

func (c *concat[T]) origins() []*origin {
	var all []*origin
	for _, src := range c.sources {
		all = append(all, originsOf(src)...)
	}
	return all
}

// Splits yields those of each source, with its position before their IDs.
func (c *concat[T]) Splits(ctx context.Context) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) {
		if c.invalid != nil {
			yield(dmap.Split{}, c.invalid)
			return
		}
		for i, src := range c.pieces {
			for split, err := range src.Splits(ctx) {
				split.ID = prefix(i) + split.ID
				if !yield(split, err) || err != nil {
					return
				}
			}
		}
	}
}

func prefix(i int) string { return strconv.Itoa(i) + "/" }

func (c *concat[T]) Items(ctx context.Context) iter.Seq2[dmap.Item[T], error] {
	return inOrder(ctx, c)
}

func (c *concat[T]) Read(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[T], error] {
	position, id, ok := strings.Cut(s.ID, "/")
	i, err := strconv.Atoi(position)
	switch {
	case c.invalid != nil:
		return broken[dmap.Item[T]](c.invalid)
	case !ok || err != nil || i < 0 || i >= len(c.pieces):
		return broken[dmap.Item[T]](invalid(c, unknownSplit(s)))
	}
	s.ID = id
	return func(yield func(dmap.Item[T], error) bool) {
		own := prefix(i) + ownKey
		if _, keeps := c.pieces[i].(interface{ keepsKeys() }); keeps {
			own = ownKey
		}
		for item, err := range c.pieces[i].Read(ctx, s) {
			if item.Key == ownKey {
				item.Key = own
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}

func unknownSplit(s dmap.Split) error {
	return fmt.Errorf("it has no split %q", s.ID)
}
