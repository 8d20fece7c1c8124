package dmaptest

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/pieces"
)

// shared divides the source into pieces of several sizes, and divides these again. Planners
// continue after the pieces of other planners.
func (p planned[T]) shared(tb testing.TB) {
	for _, s := range p.splits {
		if p.plan.Sharing != nil && p.plan.Sharing(s) == dmap.NotShared {
			if _, err := collect(pieces.Plan(tb.Context(), p.plan, pieces.Cursor{}, pieces.Usual()), -1); !errors.Is(err, pieces.ErrNotShared) {
				tb.Fatalf("split %q is not shared, but the plan for several machines ends with %v", s.ID, err)
			}
			return
		}
	}
	for _, limits := range []pieces.Limits{{Items: p.share(1)}, {Items: p.share(7)}, {Bytes: 100 * p.share(1)}, {Items: p.share(3), Few: 2}} {
		all := p.inPieces(tb, limits)
		for _, i := range []int{0, len(all) / 3, len(all) - 2, len(all) - 1} {
			if i >= 0 && i < len(all) {
				p.planAfter(tb, limits, all, i)
			}
		}
	}
	p.firstItems(tb)
}

// share is n, or more for a source of many items: each piece costs a reading.
func (p planned[T]) share(n int64) int64 { return max(n, int64(len(p.items))/16) }

// inPieces returns all pieces. The items of the pieces are those of the source, also if each piece
// is divided again.
func (p planned[T]) inPieces(tb testing.TB, limits pieces.Limits) []pieces.Piece {
	all, err := collect(pieces.Plan(tb.Context(), p.plan, pieces.Cursor{}, limits), -1)
	if err != nil {
		tb.Fatalf("plan for several machines, pieces of %+v: %v", limits, err)
	}
	p.compare(tb, all, p.items)
	var again []pieces.Piece
	for i, piece := range all {
		finer, err := collect(pieces.Divide(tb.Context(), p.plan, piece.Split, pieces.Limits{Items: p.share(int64(1 + i%3))}), -1)
		if err != nil {
			tb.Fatalf("division of %+v: %v", piece.Split, err)
		}
		again = append(again, finer...)
	}
	p.compare(tb, again, p.items)
	return all
}

// compare reads the pieces as the engine does, which stops at the end of each.
func (p planned[T]) compare(tb testing.TB, all []pieces.Piece, want []dmap.Item[T]) {
	tb.Helper()
	var got []dmap.Item[T]
	for _, piece := range all {
		for item, err := range p.plan.Read(tb.Context(), piece.Split) {
			if errors.Is(err, dmap.ErrNoObjects) {
				break
			}
			if err != nil {
				tb.Fatalf("read of piece %+v: %v", piece.Split, err)
			}
			if to := piece.Split.To; to != (dmap.Cursor{}) && compare(item.Next, to) > 0 {
				break
			}
			got = append(got, item)
		}
	}
	if d := p.by.diff(got, want, false); d != "" {
		tb.Fatalf("the items of %d pieces, compared with Items: %s", len(all), d)
	}
}

// planAfter continues a plan after piece i.
func (p planned[T]) planAfter(tb testing.TB, limits pieces.Limits, all []pieces.Piece, i int) {
	var at, back pieces.Cursor
	for _, piece := range all[:i+1] {
		at = at.Next(piece)
	}
	text, err := json.Marshal(at)
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if err != nil {
		tb.Fatalf("cursor %+v through JSON: %v", at, err)
	}
	rest, err := collect(pieces.Plan(tb.Context(), p.plan, back, limits), -1)
	if err != nil {
		tb.Fatalf("plan after piece %d, %+v: %v", i, all[i], err)
	}
	p.compare(tb, append(all[:i+1:i+1], rest...), p.items)
}

// firstItems plans the first items that are not skipped, in two steps.
func (p planned[T]) firstItems(tb testing.TB) {
	var counted []int // positions of items that are not skipped
	for i, item := range p.items {
		if !errors.Is(item.Err, dmap.ErrSkip) {
			counted = append(counted, i)
		}
	}
	for _, n := range []int{0, len(counted) / 2, len(counted) - 1} {
		if n < 0 || n >= len(counted) {
			continue
		}
		limits := pieces.Limits{Items: p.share(3), Most: int64(n + 1)}
		var at pieces.Cursor
		all, err := collect(pieces.Plan(tb.Context(), p.plan, at, limits), 2)
		for _, piece := range all {
			at = at.Next(piece)
		}
		var rest []pieces.Piece
		if err == nil {
			rest, err = collect(pieces.Plan(context.WithoutCancel(tb.Context()), p.plan, at, limits), -1)
		}
		if err != nil {
			tb.Fatalf("plan of the first %d items: %v", n+1, err)
		}
		p.compare(tb, append(all, rest...), p.items[:counted[n]+1])
	}
}
