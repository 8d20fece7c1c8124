package sharedrun

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/journal"
)

// The pieces of lists are the unsettled items, in order and each once, also when the plan continues
// after any piece. A list is read once for each page.
func TestListsAreCutIntoTheirUnsettledItems(t *testing.T) {
	const size = 10 // bytes of an item
	for seed := range uint64(500) {
		dice := rand.New(rand.NewPCG(seed, 1))
		var lists []journal.TakenPart
		settled, unsettled := journal.IntervalSet{}, map[string]bool{}
		for n := range 1 + dice.IntN(3) {
			list := journal.TakenPart{Split: journal.TakenSplit(1, fmt.Sprint(n)), To: size * int64(dice.IntN(30))}
			lists = append(lists, list)
			for at := int64(0); at < list.To; at += size {
				if dice.IntN(3) == 0 {
					settled.Add(journal.Interval{Split: list.Split, From: journal.Cursor{Offset: at}, To: journal.Cursor{Offset: at + size}})
				} else {
					unsettled[fmt.Sprint(list.Split, at)] = true
				}
			}
		}
		reads, page := 0, 0
		p := listPlanner{items: 1 + dice.Int64N(5), seeks: func(s dmap.Split) bool { return s.ID == "seeks" }}
		p.read = func(_ context.Context, list journal.TakenPart, from int64) iter.Seq2[journal.TakenItem, error] {
			reads++
			return func(yield func(journal.TakenItem, error) bool) {
				for at := from; at < list.To; at += size {
					item := journal.TakenItem{Split: []string{"seeks", "gzip"}[at/size/7%2], After: at + size}
					if !yield(item, nil) {
						return
					}
				}
			}
		}
		var after *dmap.Split
		for more := true; more; {
			most := 1 + dice.IntN(4)
			page, reads = 0, 0
			p.add = func(piece coord.Piece) bool {
				s := piece.Split
				require.EqualValues(t, s.To.Offset-s.From.Offset, size*piece.Items, "no settled item is in a piece")
				for at := s.From.Offset; at < s.To.Offset; at += size {
					require.True(t, unsettled[fmt.Sprint(s.ID, at)], "item %d of %s: seed %d", at, s.ID, seed)
					delete(unsettled, fmt.Sprint(s.ID, at))
				}
				after = &s
				page++
				return page < most
			}
			ok, err := p.plan(t.Context(), lists, settled, after)
			require.NoError(t, err)
			require.LessOrEqual(t, reads, len(lists))
			more = !ok
		}
		require.Empty(t, unsettled, "seed %d", seed)
	}
}
