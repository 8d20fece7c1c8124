package sharedrun

import (
	"context"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/journal"
)

// lists adds pieces of the lists of items to read again, after a split of one of them; nil: from
// the first list on.
func (p *planning[T, R]) lists(ctx context.Context, after *dmap.Split) error {
	settled := journal.NewIntervalSet(p.progress.Settled)
	for _, list := range p.progress.Lists() {
		if after != nil && after.ID != list.Split {
			continue
		}
		if after != nil {
			list.From, after = after.To.Offset, nil
		}
		if list.From >= list.To {
			continue
		}
		for _, gap := range settled.Gaps(list.Interval()) {
			if err := p.gap(ctx, list, gap); err != nil || p.full() {
				return err
			}
		}
	}
	return nil
}

// gap adds pieces of a part of a list. A piece ends between two splits of the source, unless they
// can be read from the middle: others are read from their start to the last item of a piece.
func (p *planning[T, R]) gap(ctx context.Context, list journal.TakenPart, gap journal.Interval) error {
	c := listCutter{split: gap.Split, from: gap.From.Offset}
	for item, err := range p.host.ReadList(ctx, list, gap.From.Offset) {
		if err != nil {
			return err
		}
		if item.After > gap.To.Offset {
			break
		}
		if c.items >= p.task.Items && !(c.follows(&item) && !p.seeks(&item)) {
			if p.add(c.take()); p.full() {
				return nil
			}
		}
		c.add(&item)
	}
	if c.items > 0 {
		p.add(c.take())
	}
	return nil
}

func (p *planning[T, R]) add(piece coord.Piece) {
	p.page.Next = &piece.Split
	p.page.Pieces = append(p.page.Pieces, piece)
	p.page.Again += piece.Items
}

// seeks reports whether the split of an item can be read from the middle.
func (p *planning[T, R]) seeks(item *journal.TakenItem) bool {
	seeks := p.Machine.plan.Seeks
	return seeks != nil && seeks(dmap.Split{ID: item.Split, Version: item.Version})
}

// listCutter gathers the items of a list into pieces.
type listCutter struct {
	split    string
	from, to int64
	items    int64
	last     journal.TakenItem
}

func (c *listCutter) follows(item *journal.TakenItem) bool {
	return item.Split == c.last.Split && item.Version == c.last.Version
}

func (c *listCutter) add(item *journal.TakenItem) {
	c.items++
	c.to, c.last = item.After, *item
}

// take returns the piece, and begins the next.
func (c *listCutter) take() coord.Piece {
	piece := coord.Piece{
		Split: dmap.Split{ID: c.split, From: dmap.Cursor{Offset: c.from}, To: dmap.Cursor{Offset: c.to}}, Items: c.items,
	}
	c.from, c.items = c.to, 0
	return piece
}
