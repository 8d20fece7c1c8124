package pieces

import (
	"context"
	"iter"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/guard"
)

// cutter gathers the items of a split into pieces. A full piece waits for the next item: without
// one, its end is that of the split.
type cutter struct {
	split  dmap.Split // From is the start of the current piece
	limits Limits
	before int64 // items of earlier pieces, not skipped

	at    dmap.Cursor // after the last item
	seen  int64       // items of the current piece
	items int64       // of them, not skipped
	bytes int64
}

// add adds an item. full says that the piece ends with it, end that the plan does.
func (c *cutter) add(next dmap.Cursor, size int64, counts bool) (full, end bool) {
	c.at = next
	c.seen++
	c.bytes += size
	if counts {
		c.items++
	}
	end = c.limits.Most > 0 && c.before+c.items >= c.limits.Most
	full = c.limits.Items > 0 && c.seen >= c.limits.Items || c.limits.Bytes > 0 && c.bytes >= c.limits.Bytes
	return full, end
}

// take returns the current piece, which ends at to, and begins the next.
func (c *cutter) take(to dmap.Cursor) Piece {
	p := Piece{Split: c.split, Items: c.items}
	p.Split.To = to
	c.before += c.items
	c.split.From, c.seen, c.items, c.bytes = to, 0, 0, 0
	c.split.Before = "" // it is about the content before the first piece
	return p
}

// cut reads a split and yields its pieces. A part that cannot be read is a piece like any other:
// the machine that gets it says why.
func (p *planner[T]) cut(ctx context.Context, s dmap.Split) error {
	c := cutter{split: s, limits: p.limits, before: p.items}
	full := false
	for item, err := range p.read(ctx, s) {
		if err != nil {
			if ctx.Err() != nil || !leaves(err) {
				return err
			}
			break
		}
		if s.To != (dmap.Cursor{}) && compare(item.Next, s.To) > 0 {
			break
		}
		if full {
			if err := p.emit(c.take(c.at)); err != nil {
				return err
			}
		}
		var end bool
		if full, end = c.add(item.Next, bytesOf(&item), counts(item.Err)); end {
			return p.emit(c.take(c.at))
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return p.emit(c.take(s.To))
}

// read reads the Values only if they decide what is skipped, and that matters.
func (p *planner[T]) read(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[T], error] {
	if p.limits.Most == 0 && p.plan.Skim != nil {
		return p.plan.Skim(ctx, s)
	}
	return p.plan.Read(ctx, s)
}

// leaves reports whether an error leaves the rest of a split unread, and does not end the source.
func leaves(err error) bool {
	_, broken := guard.As[*dmap.BrokenObjectError](err)
	return broken || guard.Is(err, dmap.ErrNoObjects)
}

// counts reports whether an item counts for MaxItems.
func counts(err error) bool {
	if err == nil {
		return true
	}
	_, broken := guard.As[*dmap.BrokenObjectError](err)
	return !broken && !guard.Is(err, dmap.ErrSkip)
}

// bytesOf is what an item takes to read.
func bytesOf[T any](item *dmap.Item[T]) int64 {
	if item.Offset == dmap.WholeObject {
		return 0
	}
	return item.Size
}
