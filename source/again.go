package source

import (
	"context"
	"errors"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
)

// How a redrive reads items of a source again.

// everywhere is the Plan.Seeks of a source in memory.
func everywhere(dmap.Split) bool { return true }

// seeks reports whether the object can be read from the middle: unless its name says that it is
// compressed.
func (r *records[T]) seeks(dmap.Split) bool { return !compressedName(r.object.Key) }

// find returns an object as it is now.
func (o *objects) find(ctx context.Context, s dmap.Split) (dmap.Item[Object], error) {
	key := s.To.Key
	now, err := o.object(&blob.ListObject{Key: key}).now(ctx)
	if err != nil {
		return dmap.Item[Object]{}, err
	}
	if o.options.Store.ETag == nil {
		now.ETag = ""
	}
	item := dmap.Item[Object]{Key: key, Offset: dmap.WholeObject, Size: now.Size, Next: s.To, Value: now}
	item.Err = guard(func() error { return o.skip(item.Value) })
	return item, nil
}

// find asks the part that s belongs to.
func (c *concat[T]) find(ctx context.Context, s dmap.Split) (item dmap.Item[T], err error) {
	i, own, err := c.part(s)
	if err != nil {
		return item, err
	}
	p := c.parts[i]
	if p.Find == nil {
		return item, errors.ErrUnsupported
	}
	item, err = p.Find(ctx, own)
	if err == nil && p.LocalKeys != nil && p.LocalKeys(own) {
		item.Key = prefix(i) + item.Key
	}
	return item, err
}

func (c *concat[T]) seeks(s dmap.Split) bool {
	i, own, err := c.part(s)
	return err == nil && c.parts[i].Seeks != nil && c.parts[i].Seeks(own)
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
