package failgroup

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/go-dmap/dmap/internal/testsize"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// kind is the text of a failure of kind i: numbers would be replaced.
func kind(i int) string {
	var out []byte
	for ; i > 0; i /= 20 {
		out = append(out, "ghijklmnopqrstuvwxyz"[i%20])
	}
	return "kind " + string(out)
}

func TestAnIndexSortsFailures(t *testing.T) {
	var x Index
	require.Empty(t, x.Groups())
	require.Zero(t, x.Total())
	for i := range 12 {
		key := fmt.Sprintf("2026/11/%02d/loan-%d.json", i%2, i)
		x.Add(Failure{Class: "rates", Text: fmt.Sprintf("loan %d: no rate", i), Key: key, ID: key, Attempts: 3, At: noon.Add(time.Duration(i) * time.Second)})
	}
	x.Add(Failure{Class: "error", Text: "boom", Key: "a", ID: "a@7", At: noon})
	groups := x.Groups()
	require.Len(t, groups, 2)
	g := groups[0]
	require.Equal(t, "loan <n>: no rate", g.Message)
	require.Equal(t, "rates", g.Class)
	require.EqualValues(t, 12, g.Count)
	require.Zero(t, g.Over)
	require.Equal(t, noon, g.First)
	require.Equal(t, noon.Add(11*time.Second), g.Last)
	require.Equal(t, Sample{ID: "2026/11/00/loan-0.json", Key: "2026/11/00/loan-0.json", Error: "loan 0: no rate", Class: "rates", Attempts: 3, At: noon}, g.Samples[0])
	require.Len(t, g.Samples, MaxSamples)
	require.Len(t, g.Where, 12)
	require.Equal(t, []Place{{"2026/11/00/", 6}, {"2026/11/01/", 6}}, Gather(g.Where, 5))
	require.Equal(t, Trend{Start: noon.Unix(), Width: 1, Counts: slices.Repeat([]int64{1}, 12)}, g.Trend)
	require.Equal(t, "a@7", groups[1].Samples[0].ID)
	require.Equal(t, "a", groups[1].Samples[0].Key)
	require.EqualValues(t, 13, x.Total())
}

// 100,000 failures of 5,000 kinds: the counts add up, and a large group has a place.
func TestFailuresOfThousandsOfKindsStayWithinBounds(t *testing.T) {
	n := testsize.Sizes{Short: 20_000, Race: 20_000, Usual: 100_000}.Now()
	before, start := heap(), time.Now()
	var x Index
	for i := range n {
		f := Failure{Class: "error", Text: kind(1 + i%5000), Key: fmt.Sprintf("in/%d/%d", i%50, i), ID: fmt.Sprintf("in/%d/%d", i%50, i), At: noon.Add(time.Duration(i) * time.Millisecond)}
		if i > n/2 && i%50 == 0 { // it comes late, and is large
			f.Text = "late"
		}
		x.Add(f)
	}
	took, used := time.Since(start), heap()-before
	groups := x.Groups()
	require.Len(t, groups, MaxGroups+1)
	require.Equal(t, OtherID, groups[MaxGroups].ID)
	require.EqualValues(t, n, x.Total())
	require.Equal(t, "late", groups[0].Message)
	late := int64(n / 100)
	require.GreaterOrEqual(t, groups[0].Count+groups[0].Over, late)
	require.LessOrEqual(t, groups[0].Count, late)
	require.Greater(t, groups[0].Count, late*9/10)
	text, err := json.Marshal(groups)
	require.NoError(t, err)
	t.Logf("%d failures of 5,000 kinds: %d groups, %d bytes of JSON, %d KiB of memory, %v a failure",
		n, len(groups), len(text), used>>10, took/time.Duration(n))
	require.Less(t, used, int64(8<<20))
	require.Less(t, len(text), 512<<10)
}

// heap is the memory in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// The worst failures: everything in an index is as large as it can be.
func TestAnIndexIsBoundedInBytes(t *testing.T) {
	var x Index
	for i := range 2000 {
		key := fmt.Sprintf("%0200d/%d/", i, i) + strings.Repeat("k", 1<<14)
		x.Add(Failure{Class: strings.Repeat("c", 1000), Text: strings.Repeat(kind(i%1000)+" ", 1000), Key: key, ID: key, Attempts: math.MaxInt, At: noon.Add(time.Duration(i) * time.Hour)})
	}
	text, err := json.Marshal(x.Groups())
	require.NoError(t, err)
	t.Logf("worst index: %d bytes of JSON", len(text))
	require.Less(t, len(text), 4<<20)
	for _, g := range x.Groups() {
		require.LessOrEqual(t, len(g.Message), MaxMessage)
		require.LessOrEqual(t, len(g.Where), MaxPlaces)
		require.LessOrEqual(t, len(g.Trend.Counts), maxPoints)
		require.LessOrEqual(t, len(g.Samples), MaxSamples)
		for _, s := range g.Samples {
			require.LessOrEqual(t, len(s.ID)+len(s.Error), MaxSample)
			require.Equal(t, s.ID, s.Key)
		}
	}
}

// failures draws failures of at most kinds kinds, and of at most 16 keys for each kind.
func failures(t *rapid.T, kinds int) []Failure {
	draw := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	all := make([]Failure, rapid.IntRange(0, 1500).Draw(t, "failures"))
	for i := range all {
		k := 1 + draw.IntN(kinds)
		if draw.IntN(2) == 0 {
			k = 1 + draw.IntN(1+kinds/20) // some are large
		}
		key := fmt.Sprintf("p/%d/%d", k, draw.IntN(MaxPlaces))
		all[i] = Failure{Class: "error", Text: kind(k), Key: key, ID: key, At: noon.Add(time.Duration(draw.IntN(5500)-500) * time.Second)}
	}
	return all
}

// merged adds the failures to windows, and merges these in order, some of them before others as the
// compaction of commits does.
func merged(t *rapid.T, all []Failure) *Index {
	windows := []*Index{{}}
	for _, f := range all {
		if rapid.IntRange(0, 9).Draw(t, "window ends") == 0 {
			windows = append(windows, &Index{})
		}
		windows[len(windows)-1].Add(f)
	}
	for len(windows) > 1 {
		i := rapid.IntRange(0, len(windows)-2).Draw(t, "merge at")
		union := FromGroups(windows[i].Groups())
		union.Merge(windows[i+1])
		windows = slices.Replace(windows, i, i+2, union)
	}
	return windows[0]
}

func TestMergingWindowsIsTheIndexOfAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := failures(t, MaxGroups)
		var one Index
		for _, f := range all {
			one.Add(f)
		}
		require.Equal(t, one.Groups(), merged(t, all).Groups())
	})
}

// With more kinds than places the counts of each group are bounds of the true one.
func TestMergingWindowsOfManyKindsKeepsTheBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := failures(t, 2*MaxGroups)
		for range rapid.IntRange(0, 50).Draw(t, "large") {
			all = append(all, Failure{Class: "error", Text: "large", Key: "l", ID: "l", At: noon})
		}
		exact := map[string]int64{}
		for _, f := range all {
			exact[ID(f.Class, Message(f.Text, f.Key, f.ID))]++
		}
		x := merged(t, all)
		require.EqualValues(t, len(all), x.Total())
		groups := x.Groups()
		require.LessOrEqual(t, len(groups), MaxGroups+1)
		placed := map[string]bool{}
		for _, g := range groups {
			placed[g.ID] = true
			sum := int64(0)
			for _, l := range g.Where {
				sum += l.Count
			}
			require.Equal(t, g.Count, sum)
			sum = 0
			for _, n := range g.Trend.Counts {
				sum += n
			}
			require.Equal(t, g.Count, sum)
			require.True(t, g.Trend.Check())
			require.LessOrEqual(t, len(g.Where), MaxPlaces)
			if g.ID != OtherID {
				require.LessOrEqual(t, g.Count, exact[g.ID])
				require.GreaterOrEqual(t, g.Count+g.Over, exact[g.ID])
			}
		}
		for id, n := range exact {
			if !placed[id] {
				require.LessOrEqual(t, n, x.floor)
			}
		}
	})
}

func TestGroupsAreTheSameAfterJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := merged(t, failures(t, 2*MaxGroups))
		text, err := json.Marshal(x.Groups())
		require.NoError(t, err)
		var groups []Group
		require.NoError(t, json.Unmarshal(text, &groups))
		require.Equal(t, x.Groups(), FromGroups(groups).Groups())
	})
}

func TestFailuresWithoutTime(t *testing.T) {
	var x Index
	x.Add(Failure{Text: "x"})
	x.Add(Failure{Text: "x", At: time.Unix(math.MaxInt64/2, 0)}) // no year that JSON has
	x.Add(Failure{Text: "x", At: time.Time{}.Add(-time.Hour)})
	g := x.Groups()[0]
	require.Zero(t, g.First)
	require.Zero(t, g.Last)
	require.Zero(t, g.Trend)
	require.EqualValues(t, 3, g.Count)
	_, err := json.Marshal(g)
	require.NoError(t, err)
}

func TestATrendHasAtMostSixtyPoints(t *testing.T) {
	var tr Trend
	for i := range 7200 {
		tr.add(noon.Add(time.Duration(i)*time.Second), 1)
	}
	require.EqualValues(t, 128, tr.Width)
	require.LessOrEqual(t, len(tr.Counts), maxPoints)
	tr = Trend{}
	for _, year := range []int{2999, 1970, 2026} {
		tr.add(time.Date(year, 1, 1, 0, 0, 1, 0, time.UTC), 1)
	}
	require.True(t, tr.Check())
	sum := int64(0)
	for _, n := range tr.Counts {
		sum += n
	}
	require.EqualValues(t, 3, sum)
	require.Positive(t, tr.Counts[0])
	require.Positive(t, tr.Counts[len(tr.Counts)-1])
}

func TestPlacesFindWhereFailuresGather(t *testing.T) {
	var p places
	for i := range 10_000 {
		switch {
		case i%2 == 0:
			p.add(fmt.Sprintf("in/2026/11/07/%d.json", i)) // half of them in one folder of many
		case i%10 == 1:
			p.add("in/broken.csv") // rows of one object
		default:
			p.add(fmt.Sprintf("in/2026/%02d/%02d/%d.json", i%12, i%28, i))
		}
	}
	require.LessOrEqual(t, len(p.list), MaxPlaces)
	found := Gather(p.sorted(), 11)
	sum := int64(0)
	for _, l := range found {
		sum += l.Count
	}
	require.EqualValues(t, 10_000, sum)
	require.Contains(t, found, Place{"in/broken.csv", 1000})
	require.Equal(t, "in/2026/11/07/", found[0].Prefix)
	require.Greater(t, found[0].Count, int64(4500))
}

func TestPlacesOfOddKeys(t *testing.T) {
	var p places
	for i := range 1000 {
		p.add(strings.Repeat("/", i))
		p.add(fmt.Sprint(i))
		p.add("")
		p.add(strings.Repeat("x", 250+i))
		p.add("\xff/" + fmt.Sprint(i))
	}
	sum := int64(0)
	for _, l := range p.list {
		sum += l.Count
		require.LessOrEqual(t, len(l.Prefix), maxPrefix)
	}
	require.EqualValues(t, 5000, sum)
	require.LessOrEqual(t, len(p.list), MaxPlaces)
}

func TestGatherOfSmallTables(t *testing.T) {
	require.Empty(t, Gather(nil, 5))
	require.Equal(t, []Place{{"a/b", 1}}, Gather([]Place{{"a/b", 1}}, 5))
	require.Equal(t, []Place{{"a/b", 1}, {"a/c", 1}}, Gather([]Place{{"a/b", 1}, {"a/c", 1}}, 5))
	require.Equal(t, []Place{{"a/", 5}}, Gather([]Place{{"a/b", 1}, {"a/c", 1}, {"a/d", 1}, {"a/e", 1}, {"a/f", 1}}, 5))
	require.Equal(t, []Place{{"a/", 3}, {"a/b/", 2}}, Gather([]Place{{"a/", 3}, {"a/b/", 2}}, 5))
	require.Equal(t, []Place{{"a/b/", 60}, {"a/c/", 30}, {"a/", 10}}, Gather([]Place{{"a/b/", 60}, {"a/c/", 30}, {"a/d/", 4}, {"a/e", 3}, {"a/", 3}}, 5))
	require.Equal(t, []Place{{"a", 3}, {"ab/", 2}}, Gather([]Place{{"a", 3}, {"ab/", 2}}, 5))
	require.Equal(t, []Place{{"", 5}}, Gather([]Place{{"a", 3}, {"ab/", 2}}, 1))
}

func BenchmarkAdd(b *testing.B) {
	for _, kinds := range []int{1, 12, 5000} {
		texts := make([]string, kinds)
		for i := range texts {
			texts[i] = kind(i+1) + ": loan 4711: dial tcp 10.0.0.1:54321: connect: connection refused after 1.5s"
		}
		keys := make([]string, 10_000)
		for i := range keys {
			keys[i] = fmt.Sprintf("loans/2026/%02d/loan-%d.json", i%12, i)
		}
		b.Run(fmt.Sprintf("kinds=%d", kinds), func(b *testing.B) {
			var x Index
			b.ReportAllocs()
			for i := range b.N {
				key := keys[i%len(keys)]
				x.Add(Failure{Class: "error", Text: texts[i%kinds], Key: key, ID: key, Attempts: 3, At: noon.Add(time.Duration(i))})
			}
		})
	}
	b.Run("text=4KiB", func(b *testing.B) {
		var x Index
		text := strings.Repeat("loan 4711 refused, ", 300)
		b.ReportAllocs()
		for range b.N {
			x.Add(Failure{Class: "error", Text: text, Key: "k", ID: "k", At: noon})
		}
	})
}
