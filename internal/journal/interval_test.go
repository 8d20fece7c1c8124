package journal

import (
	"fmt"
	"math/rand/v2"
	"slices"
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

// The settled items of a split of many objects: of those that are partly settled, the version is
// kept, of the others it does not matter.
func TestOnlyObjectsThatArePartlySettledKeepTheirVersion(t *testing.T) {
	end := func(key string) Cursor { return Cursor{Key: key, Offset: Between} }
	piece := func(version string, from, to Cursor) Interval {
		return Interval{Split: "s", Version: version, From: from, To: to}
	}
	all := []Interval{
		piece("a1", Cursor{}, Cursor{Key: "a", Offset: 5}), piece("a1", Cursor{Key: "a", Offset: 5}, end("a")),
		piece("b1", end("a"), end("b")),
		piece("c1", end("b"), Cursor{Key: "c", Offset: 7}), piece("c1", Cursor{Key: "c", Offset: 7}, end("c")),
		piece("d1", end("c"), Cursor{Key: "d", Offset: 2}),
	}
	for seed := range uint64(200) {
		dice := rand.New(rand.NewPCG(seed, 1))
		s, b := IntervalSet{}, Buffer{}
		for k, i := range dice.Perm(len(all)) {
			s.Add(all[i])
			b.Add(all[i])
			if k%2 == 0 {
				b.merge()
			}
		}
		want := []Interval{piece("", Cursor{}, end("c")), piece("d1", end("c"), Cursor{Key: "d", Offset: 2})}
		require.Equal(t, want, s.All())
		require.Equal(t, want, b.Take())
		require.Equal(t, "d1", s.Judge(piece("d2", end("c"), end("d")), "d", nil).Was)
		require.Empty(t, s.Judge(piece("c2", end("b"), end("c")), "c", nil).Was, "all of it is settled")
		require.Empty(t, s.Judge(piece("e1", end("d"), end("e")), "e", nil).Was)
		require.Equal(t, []Interval{piece("d1", Cursor{Key: "d", Offset: 2}, end("d"))}, s.Gaps(piece("d1", end("c"), end("d"))))
	}
}

// Each object settles in some pieces, many objects at once, in any order.
func TestStateGrowsWithUnfinishedObjectsOnly(t *testing.T) {
	const objects, atOnce = 20_000, 32
	dice := rand.New(rand.NewPCG(1, 1))
	s := IntervalSet{}
	var unread []Interval
	most, next := 0, 0
	key := func(i int) string { return fmt.Sprintf("%08d", i) }
	for next < objects || len(unread) > 0 {
		for len(unread) < 3*atOnce && next < objects {
			from := Cursor{}
			if next > 0 {
				from = Cursor{Key: key(next - 1), Offset: Between}
			}
			middle, end := Cursor{Key: key(next), Offset: 10}, Cursor{Key: key(next), Offset: Between}
			v := fmt.Sprint("etag", next)
			unread = append(unread, Interval{"s", v, from, middle}, Interval{"s", v, middle, Cursor{Key: key(next), Offset: 20}},
				Interval{"s", v, Cursor{Key: key(next), Offset: 20}, end})
			next++
		}
		i := dice.IntN(len(unread))
		s.Add(unread[i])
		unread = slices.Delete(unread, i, i+1)
		most = max(most, len(s["s"]))
	}
	require.LessOrEqual(t, most, 2*3*atOnce+1)
	require.Equal(t, []Interval{{Split: "s", To: Cursor{Key: key(objects - 1), Offset: Between}}}, s.All())
}
