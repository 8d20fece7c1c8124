package sharedrun

import (
	"context"
	"iter"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/journal"
)

// listPlanner cuts lists of items to read again into pieces. A piece ends between two splits of the
// source, unless they can be read from the middle: others are read from their start to the last
// item of a piece.
type listPlanner struct {
	read  func(ctx context.Context, list journal.TakenPart, from int64) iter.Seq2[journal.TakenItem, error]
	seeks func(dmap.Split) bool       // Plan.Seeks
	items int64                       // of a piece
	add   func(coord.Piece) (ok bool) // false: no more pieces are wanted
}

// plan adds pieces of the unsettled parts of lists, after a split of one of them; nil: from the
// first list on. It returns false when no more pieces are wanted.
func (p *listPlanner) plan(ctx context.Context, lists []journal.TakenPart, settled journal.IntervalSet, after *dmap.Split) (ok bool, err error) {
	for _, list := range lists {
		if after != nil && after.ID != list.Split {
			continue
		}
		if after != nil {
			list.From, after = after.To.Offset, nil
		}
		if list.From >= list.To {
			continue
		}
		if ok, err := p.list(ctx, list, settled.Gaps(list.Interval())); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// list adds pieces of the gaps of a list. It reads the list once.
func (p *listPlanner) list(ctx context.Context, list journal.TakenPart, gaps []journal.Interval) (ok bool, err error) {
	if len(gaps) == 0 {
		return true, nil
	}
	c := listCutter{split: list.Split, from: gaps[0].From.Offset}
	for item, err := range p.read(ctx, list, c.from) {
		if err != nil {
			return false, err
		}
		for len(gaps) > 0 && item.After > gaps[0].To.Offset {
			if c.items > 0 && !p.add(c.take()) {
				return false, nil
			}
			if gaps = gaps[1:]; len(gaps) > 0 {
				c.from = gaps[0].From.Offset
			}
		}
		if len(gaps) == 0 {
			return true, nil
		}
		if item.After <= gaps[0].From.Offset {
			continue
		}
		if c.items >= p.items && (!c.follows(&item) || p.inside(&item)) && !p.add(c.take()) {
			return false, nil
		}
		c.add(&item)
	}
	return c.items == 0 || p.add(c.take()), nil
}

// inside reports whether the split of an item can be read from the middle.
func (p *listPlanner) inside(item *journal.TakenItem) bool {
	return p.seeks != nil && p.seeks(dmap.Split{ID: item.Split, Version: item.Version})
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
