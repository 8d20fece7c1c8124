package journal

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func at(n int64) Cursor { return Cursor{Offset: n} }

// The model: a set of items of one split, item i reaching from cursor i to cursor i+1; the split
// ends after 40.
func TestIntervalSetIsTheUnionOfItsIntervals(t *testing.T) {
	const end = 40
	rapid.Check(t, func(t *rapid.T) {
		c, want := IntervalSet{}, [end]bool{}
		var asTheyCome Buffer
		open := rapid.Bool().Draw(t, "open end") // the split's To is the zero Cursor
		for range rapid.IntRange(0, 30).Draw(t, "intervals") {
			from := rapid.Int64Range(0, end-1).Draw(t, "from")
			to := rapid.Int64Range(from+1, end).Draw(t, "to")
			v := Interval{Split: "s", From: at(from), To: at(to)}
			if to == end && open {
				v.To = Cursor{}
			}
			c.Add(v)
			asTheyCome.Add(v)
			if rapid.Bool().Draw(t, "merge") {
				asTheyCome.merge()
			}
			for i := from; i < to; i++ {
				want[i] = true
			}
			requireTidy(t, c["s"])
		}
		asTheyCome.merge()
		require.Equal(t, c.All(), append([]Interval(nil), asTheyCome.list...))
		first := rapid.Int64Range(0, end-1).Draw(t, "from of the split")
		last := rapid.Int64Range(first+1, end).Draw(t, "to of the split")
		s := Interval{Split: "s", From: at(first), To: at(last)}
		if open && last == end {
			s.To = Cursor{}
		}
		got := want
		for i := first; i < last; i++ {
			got[i] = true
		}
		for _, piece := range c.Gaps(s) {
			to := piece.To.Offset
			if piece.To == (Cursor{}) {
				to = end
			}
			require.Less(t, piece.From.Offset, to)
			for i := piece.From.Offset; i < to; i++ {
				require.True(t, got[i], "in two pieces")
				got[i] = false
			}
		}
		require.Equal(t, want, got)
	})
}

func requireTidy(t require.TestingT, list []Interval) {
	for i := 1; i < len(list); i++ {
		require.NotEqual(t, Cursor{}, list[i-1].To)
		require.Negative(t, list[i-1].To.Compare(list[i].From), fmt.Sprint(list))
	}
}

func TestCursorsAreOrderedByKeyThenOffset(t *testing.T) {
	c := IntervalSet{}
	c.Add(Interval{Split: "s", From: Cursor{}, To: Cursor{Key: "b"}})
	c.Add(Interval{Split: "s", From: Cursor{Key: "b"}, To: Cursor{Key: "d"}})
	c.Add(Interval{Split: "other", From: Cursor{}, To: Cursor{}})
	require.Equal(t, []Interval{{Split: "other"}, {Split: "s", To: Cursor{Key: "d"}}}, c.All())
	require.Empty(t, c.Gaps(Interval{Split: "other"}))
	require.Equal(t, []Interval{{Split: "s", From: Cursor{Key: "d"}}}, c.Gaps(Interval{Split: "s"}))
	require.Equal(t, []Interval{{Split: "new"}}, c.Gaps(Interval{Split: "new"}))
}
