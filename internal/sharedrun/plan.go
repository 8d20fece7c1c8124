package sharedrun

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/pieces"
	"github.com/go-dmap/dmap/sink"
)

// errEnded refuses a step for a run that has ended meanwhile.
var errEnded = errors.New("the run has ended")

// Plan returns the next pieces: of the lists of items to read again, and then of the source.
// Settled parts are left out.
func (m *Machine[T, R]) Plan(ctx context.Context, era int64, task coord.PlanTask) (coord.Page, error) {
	p := planning[T, R]{Machine: m, task: task, page: coord.Page{Task: task.Task}}
	ended, err := m.join(ctx, era, func(h *sink.Host[R]) error {
		p.host, p.progress = h, h.Progress()
		return nil
	})
	if err == nil && ended != nil {
		err = errEnded
	}
	if err == nil {
		err = p.plan(ctx)
	}
	return p.page, err
}

// planning makes one page.
type planning[T, R any] struct {
	*Machine[T, R]
	host     *sink.Host[R]
	progress journal.Progress
	task     coord.PlanTask
	page     coord.Page
}

func (p *planning[T, R]) plan(ctx context.Context) error {
	after := p.task.After
	if after == nil || journal.IsTakenSplit(after.ID) {
		lists := listPlanner{read: p.host.ReadList, seeks: p.Machine.plan.Seeks, items: p.task.Items, add: p.addTaken}
		more, err := lists.plan(ctx, p.progress.Lists(), journal.NewIntervalSet(p.progress.Settled), after)
		if err != nil || !more {
			return err
		}
		after = nil
	}
	if p.reads(&p.progress) {
		if err := p.source(ctx, after); err != nil || p.full() {
			return err
		}
	}
	p.page.Done, p.page.Next = true, nil
	return nil
}

// addTaken adds a piece of a list. It returns false when the page is full.
func (p *planning[T, R]) addTaken(piece coord.Piece) bool {
	p.page.Next = &piece.Split
	p.page.Pieces = append(p.page.Pieces, piece)
	p.page.Again += piece.Items
	return !p.full()
}

// full reports whether the page has all pieces that the task wants.
func (p *planning[T, R]) full() bool { return len(p.page.Pieces) >= p.task.Pieces }

// source adds pieces of the source after a split.
func (p *planning[T, R]) source(ctx context.Context, after *dmap.Split) error {
	left := unsettled(&p.progress)
	settled := journal.NewIntervalSet(p.progress.Settled)
	limits := pieces.Usual()
	limits.Items, limits.Whole, limits.Few, limits.Most = p.task.Items, p.task.Whole, p.task.Few, p.task.Max
	for piece, err := range pieces.Plan(ctx, p.Machine.plan, pieces.Cursor{After: after}, limits) {
		if err != nil {
			return err
		}
		p.page.Next = &piece.Split
		parts := left(piece.Split)
		if len(parts) > 0 {
			err = p.sameObject(ctx, settled, after, piece.Split)
		}
		if err != nil {
			return err
		}
		p.addParts(piece, parts)
		if p.full() {
			return nil
		}
	}
	return nil
}

// sameObject refuses a split of whose object another version was settled, or planned: the results
// would be a mixture. An object that was mended is read on. after is the last piece that was
// planned.
func (p *planning[T, R]) sameObject(ctx context.Context, before journal.IntervalSet, after *dmap.Split, s dmap.Split) error {
	many := s.Object != "" && p.Machine.plan.Whole == (dmap.Split{})
	key := ""
	if many {
		key = s.To.Key
	}
	v := journal.Interval{Split: s.ID, Version: s.Version, From: journal.Cursor(s.From), To: journal.Cursor(s.To)}
	mended := p.mended.in(p.progress.Redrive, p.Machine.plan.Rest)
	j := before.Judge(v, key, mended.Rests())
	if ok, err := mended.Has(ctx, j, s.Version); ok || err != nil {
		return err
	}
	was := j.Was
	if was == "" && after != nil && after.ID == s.ID && after.Object == s.Object && after.Version != s.Version && s.Version != "" {
		was = after.Version
	}
	switch {
	case was == "":
		return nil
	case many, s.Object != "" && p.progress.Redrive != nil:
		return fmt.Errorf("%w; dmap.Map continues the run, and leaves the rest of this object unread", p.differs(s.Object, s.Version, was))
	}
	return p.differs(s.ID, s.Version, was)
}

// addParts adds the parts of a piece that are not settled. How many items each of them has is not
// known: together with the settled ones they are those of the piece.
func (p *planning[T, R]) addParts(piece pieces.Piece, parts []dmap.Split) {
	rest := piece.Items
	for i, split := range parts {
		part := coord.Piece{Split: split, Items: rest}
		if split != piece.Split {
			part.Items = rest / int64(len(parts)-i)
		}
		rest -= part.Items
		p.page.Pieces = append(p.page.Pieces, part)
	}
	p.page.Settled += rest
}

// unsettled returns a function that gives the parts of a split that p has not settled.
func unsettled(p *journal.Progress) func(dmap.Split) []dmap.Split { return lease.Remaining(p.Settled) }
