// Package pieces divides a source between machines before it is read. One machine plans at a time;
// another one can continue after any piece.
package pieces

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/lease"
)

// ErrNotShared is the error of a source that one machine must read as a whole.
var ErrNotShared = fmt.Errorf("%w: one machine must read the source as a whole, as dmap.Map does", lease.ErrRefused)

// Cursor is the place after a piece. The zero Cursor is the start of the source.
type Cursor struct {
	After *dmap.Split `json:"after,omitempty"` // the last piece; nil: none
	Items int64       `json:"items,omitempty"` // in all pieces so far, as far as that is known
}

// Next is the place after p, which follows c.
func (c Cursor) Next(p Piece) Cursor { return Cursor{After: &p.Split, Items: c.Items + p.Items} }

// Plan yields the pieces of a source after a cursor, in order. The function of a run is not called.
// An error ends the plan; it can be continued after the last piece.
func Plan[T any](ctx context.Context, plan dmap.Plan[T], at Cursor, limits Limits) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		if plan.Err != nil {
			yield(Piece{}, plan.Err)
			return
		}
		p := &planner[T]{plan: plan, limits: limits, items: at.Items, yield: yield}
		if limits.Most > 0 && p.items >= limits.Most {
			return
		}
		for s, err := range after(ctx, plan, at.After) {
			if err == nil {
				err = p.identify(ctx, &s)
			}
			if err == nil {
				err = p.split(ctx, s)
			}
			if guard.Is(err, errEnd) {
				return
			}
			if err != nil {
				yield(Piece{}, err)
				return
			}
		}
	}
}

// Divide yields the pieces of one split, whatever the plan says about it: a part of a source that a
// machine has left, for several others.
func Divide[T any](ctx context.Context, plan dmap.Plan[T], s dmap.Split, limits Limits) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		limits.Most, limits.Whole = 0, 0
		p := &planner[T]{plan: plan, limits: limits, yield: yield}
		err := plan.Err
		if err == nil {
			err = p.check(s)
		}
		if err == nil {
			err = p.cut(ctx, s)
		}
		if err != nil && !guard.Is(err, errEnd) {
			yield(Piece{}, err)
		}
	}
}

// errEnd ends a plan: its consumer wants no more, or Limits.Most is reached.
var errEnd = errors.New("no more pieces")

// planner makes pieces of splits.
type planner[T any] struct {
	plan   dmap.Plan[T]
	limits Limits
	items  int64 // so far, not skipped
	yield  func(Piece, error) bool
}

// identify sets the Version of a split that only its content tells.
func (p *planner[T]) identify(ctx context.Context, s *dmap.Split) (err error) {
	if p.plan.Version != nil && s.Version == "" {
		s.Version, err = p.plan.Version(ctx, *s)
	}
	return err
}

func (p *planner[T]) sharing(s dmap.Split) dmap.Sharing {
	if p.plan.Sharing == nil {
		return dmap.SharedByReading
	}
	return p.plan.Sharing(s)
}

func (p *planner[T]) check(s dmap.Split) error {
	if p.sharing(s) == dmap.NotShared {
		return fmt.Errorf("%w: split %q can only be read from its start", ErrNotShared, s.ID)
	}
	return nil
}

// split yields the pieces of a split.
func (p *planner[T]) split(ctx context.Context, s dmap.Split) error {
	if err := p.check(s); err != nil {
		return err
	}
	if p.whole(s) {
		return p.emit(Piece{Split: s})
	}
	return p.cut(ctx, s)
}

// whole reports whether a split is a piece as it is.
func (p *planner[T]) whole(s dmap.Split) bool {
	if p.limits.Most > 0 {
		return false
	}
	switch p.sharing(s) {
	case dmap.SharedByReading:
		return false
	case dmap.SharedAsPlanned:
		if s.Object != "" && p.limits.Few > 0 {
			p.limits.Few--
			return false
		}
	}
	return true
}

func (p *planner[T]) emit(piece Piece) error {
	p.items += piece.Items
	if !p.yield(piece, nil) || p.limits.Most > 0 && p.items >= p.limits.Most {
		return errEnd
	}
	return nil
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
		if items, ok := c.whole(s); ok {
			return p.emit(Piece{Split: s, Items: items})
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return p.emit(c.take(s.To))
}

// read reads the Values only if it must know which items are skipped.
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

// bytesOf returns the bytes that are read for an item.
func bytesOf[T any](item *dmap.Item[T]) int64 {
	if item.Offset == dmap.WholeObject {
		return 0
	}
	return item.Size
}
