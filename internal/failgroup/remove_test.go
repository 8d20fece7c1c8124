package failgroup

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What remains after some failures were removed has the counts of the others.
func TestRemovingLeavesTheCountsOfTheOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kinds := rapid.SampledFrom([]int{5, MaxGroups, 2 * MaxGroups}).Draw(t, "kinds")
		all := failures(t, kinds)
		x := merged(t, all)
		n := rapid.IntRange(0, len(all)).Draw(t, "removed")
		exact := map[string]int64{}
		for i, f := range all {
			if i < n {
				x.Remove(f)
			} else {
				exact[IDOf(f)]++
				x.AddSample(f)
			}
		}
		require.EqualValues(t, len(all)-n, x.Total())
		placed := map[string]bool{}
		for _, g := range x.Groups() {
			placed[g.ID] = true
			sum := int64(0)
			for _, l := range g.Where {
				sum += l.Count
				require.Positive(t, l.Count)
			}
			require.Equal(t, g.Count, sum)
			sum = 0
			for _, c := range g.Trend.Counts {
				sum += c
			}
			require.Equal(t, g.Count, sum)
			require.Positive(t, g.Count)
			if g.ID == OtherID {
				continue
			}
			require.LessOrEqual(t, g.Count, exact[g.ID])
			require.GreaterOrEqual(t, g.Count+g.Over, exact[g.ID])
			require.NotEmpty(t, g.Samples)
			if kinds <= MaxGroups {
				require.Equal(t, exact[g.ID], g.Count)
			}
		}
		for id, count := range exact {
			if !placed[id] {
				require.LessOrEqual(t, count, x.floor)
			}
		}
	})
}

func TestASampleThatRunsAgainIsNone(t *testing.T) {
	var x Index
	add := func(id string) Failure {
		f := Failure{Class: "error", Text: "bad", Key: id, ID: id, At: noon}
		x.Add(f)
		return f
	}
	first := add("a")
	add("b")
	add("c")
	d := add("d")
	x.Remove(first)
	ids := func() (ids []string) {
		for _, s := range x.Groups()[0].Samples {
			ids = append(ids, s.ID)
		}
		return ids
	}
	require.Equal(t, []string{"b", "c"}, ids())
	x.AddSample(d)
	x.AddSample(d)
	x.AddSample(Failure{Text: "of no group"})
	require.Equal(t, []string{"b", "c", "d"}, ids())
	x.Remove(Failure{Text: "of no group"})
	require.EqualValues(t, 3, x.Total())
}

// Nothing is counted elsewhere once "other" has lost its last failure.
func TestCountsAreExactAgainWithoutOther(t *testing.T) {
	var x Index
	for i := range MaxGroups + 1 {
		x.Add(Failure{Class: "error", Text: kind(i), Key: "k", ID: "k", At: noon})
	}
	groups := x.Groups()
	require.Equal(t, OtherID, groups[MaxGroups].ID)
	require.EqualValues(t, 1, groups[MaxGroups].Count)
	for i := range MaxGroups + 1 {
		f := Failure{Class: "error", Text: kind(i), Key: "k", ID: "k", At: noon}
		if x.groups[joinKey("error", Message(f.Text, f.Key, f.ID))] == nil {
			x.Remove(f)
		}
	}
	require.EqualValues(t, MaxGroups, x.Total())
	for _, g := range x.Groups() {
		require.NotEqual(t, OtherID, g.ID)
		require.Zero(t, g.Over)
	}
}
