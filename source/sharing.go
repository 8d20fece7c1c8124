package source

import (
	"context"
	"iter"
	"strconv"
	"strings"

	"github.com/go-dmap/dmap/dmap"
)

// How the splits of the sources of this package are divided between machines.

// byTrySplit is the Sharing of a listing that is divided while it is read.
func byTrySplit(dmap.Split) dmap.Sharing { return dmap.SharedByTrySplit }

// sharing takes the parts of an object that was divided as they are. The rest of an object may be
// of any size.
func (r *records[T]) sharing(s dmap.Split) dmap.Sharing {
	if s.To != (dmap.Cursor{}) {
		return dmap.SharedAsPlanned
	}
	return dmap.SharedByReading
}

// skim reads the records of s and decodes none.
func (r *records[T]) skim(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[T], error] {
	return r.readBy(ctx, s, r.itemWithoutValue)
}

// smallContents is the size of an object up to which it is not divided.
const smallContents = 1 << 20

// sharing takes small objects as they are, and those that are not read at all.
func (f *flatten[T]) sharing(s dmap.Split) dmap.Sharing {
	_, _, version := identify(s)
	text, listed := strings.CutPrefix(version, listedVersion)
	if !listed {
		return dmap.SharedAsPlanned
	}
	field, _, _ := strings.Cut(text, ":")
	if size, err := strconv.ParseInt(field, 10, 64); err == nil && 0 <= size && size <= smallContents {
		return dmap.SharedAsPlanned
	}
	return dmap.SharedByReading
}

func (c *concat[T]) sharing(s dmap.Split) dmap.Sharing {
	i, own, err := c.part(s)
	if err != nil || c.parts[i].Sharing == nil {
		return dmap.SharedByReading
	}
	return c.parts[i].Sharing(own)
}

// skim asks the part that s belongs to. Only cursors count, so keys get no prefix.
func (c *concat[T]) skim(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[T], error] {
	i, own, err := c.part(s)
	if err != nil {
		return broken[dmap.Item[T]](err)
	}
	if p := c.parts[i]; p.Skim != nil {
		return p.Skim(ctx, own)
	}
	return c.parts[i].Read(ctx, own)
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
