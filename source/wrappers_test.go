package source_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/source"
)

func acceptAll(source.Object) bool { return true }

func keyOf(_ context.Context, o source.Object) (string, error) { return o.Key, nil }

// oneItem flattens an object to its key, without I/O.
func oneItem(o source.Object) dmap.Source[string] { return source.Slice([]string{o.Key}) }

// listing is a source of the objects of a bucket, and a run over it.
type listing func(t *testing.T, objects dmap.Source[source.Object]) dmap.Stats

// over makes a listing of a wrapper.
func over[T any](wrap func(dmap.Source[source.Object]) dmap.Source[T]) listing {
	return func(t *testing.T, objects dmap.Source[source.Object]) dmap.Stats {
		stats, err := dmap.Map(t.Context(), wrap(objects), func(context.Context, T) (string, error) { return "", nil },
			dmap.Options{MaxConcurrency: 1000})
		require.NoError(t, err)
		return stats
	}
}

// bestOf runs a listing of 60,000 keys at 200 ms a page up to 3 times, until it takes at most
// limit, and returns the shortest time. Which reader asks for work first is chance, the more so on
// a busy machine.
func bestOf(t *testing.T, keys []string, limit time.Duration, run listing) (best time.Duration) {
	for n := 0; n < 6 && (n == 0 || best > limit); n++ {
		synctest.Test(t, func(t *testing.T) {
			bucket := blob.NewBucket(&cloud{keys: keys, latency: 200 * time.Millisecond})
			defer bucket.Close()
			start := time.Now()
			stats := run(t, source.Objects(bucket, "", source.ObjectsOptions{Store: seekable}))
			require.EqualValues(t, len(keys), stats.Succeeded)
			require.EqualValues(t, len(keys), stats.Read)
			if took := time.Since(start); n == 0 || took < best {
				best = took
			}
		})
	}
	return best
}

func TestEachWrapperListsInTheTimeOfObjects(t *testing.T) {
	skipWithRaceDetector(t)
	type (
		objects = dmap.Source[source.Object]
		strings = dmap.Source[string]
	)
	keys := shape("words", 60_000)
	alone := bestOf(t, keys, 0, over(func(o objects) objects { return o }))
	t.Logf("%-32s %v", "Objects", alone)
	require.Less(t, alone, 12*time.Second/3, "pages in parallel")
	for _, test := range []struct {
		name string
		run  listing
	}{
		{"Filter", over(func(o objects) objects { return source.Filter(o, acceptAll) })},
		{"Transform", over(func(o objects) strings { return source.Transform(o, keyOf) })},
		{"Concat", over(func(o objects) objects { return source.Concat(source.Slice([]source.Object{}), o) })},
		{"Flatten", over(func(o objects) strings { return source.Flatten(o, oneItem) })},
		{"Transform of Filter of Concat", over(func(o objects) strings {
			return source.Transform(source.Filter(source.Concat(o), acceptAll), keyOf)
		})},
		{"Concat of Flatten of Filter", over(func(o objects) strings {
			return source.Concat(source.Flatten(source.Filter(o, acceptAll), oneItem))
		})},
	} {
		limit := alone + alone/10
		took := bestOf(t, keys, limit, test.run)
		t.Logf("%-32s %v", test.name, took)
		require.LessOrEqual(t, took, limit, test.name)
	}
}

// abilities names the functions that a Plan has.
func abilities[T any](src dmap.Source[T]) string {
	p := plan(src)
	text := fmt.Sprint(p.Readers)
	if p.Fill != nil {
		text += " fill"
	}
	if p.Resume != nil {
		text += " resume"
	}
	if p.TrySplit != nil {
		text += " divide"
	}
	if p.Whole != (dmap.Split{}) {
		text += " whole"
	}
	return text
}

func TestWrappersClaimWhatTheirSourcesCan(t *testing.T) {
	bucket := memory(t, nil)
	slice, lines := source.Slice([]int{1}), source.JSONLines[int](bucket, "k")
	serial, parallel := source.Objects(bucket, ""), source.Objects(bucket, "", source.ObjectsOptions{Store: seekable})
	even := func(n int) bool { return n%2 == 0 }
	for _, test := range []struct{ name, got, want string }{
		{"slice", abilities(slice), "0 fill whole"},
		{"json array", abilities(source.JSONArray[int](bucket, "k")), "0 whole"},
		{"filter of slice", abilities(source.Filter(slice, even)), "0 fill whole"},
		{"filter of lines", abilities(source.Filter(lines, even)), "0 resume whole"},
		{"filter of serial listing", abilities(source.Filter(serial, acceptAll)), "1"},
		{"transform of parallel listing", abilities(source.Transform(parallel, keyOf)), "32 divide"},
		{"concat of slices", abilities(source.Concat(slice, slice)), "8 fill"},
		{"concat of slice and lines", abilities(source.Concat(slice, lines)), "8 resume"},
		{"concat of listings", abilities(source.Concat(serial, parallel)), "32 divide"},
		{"concat of sequences", abilities(source.Concat(source.Seq(slices.Values([]int{1})))), "8"},
		{"flatten", abilities(source.Flatten(parallel, oneItem)), "0 resume"},
	} {
		require.Equal(t, test.want, test.got, test.name)
	}
}

func TestWrappersOfListingsByManyConform(t *testing.T) {
	bucket := blob.NewBucket(&cloud{keys: shape("days", 4500)})
	defer bucket.Close()
	objects := source.Objects(bucket, "", source.ObjectsOptions{Store: seekable, Listers: 5})
	few := source.Slice([]source.Object{source.Object{Key: "x"}.In(bucket), source.Object{Key: "y"}.In(bucket)})
	open := func(testing.TB) dmap.Source[source.Object] {
		return source.Concat(few, source.Filter(objects, func(o source.Object) bool { return o.Key[len(o.Key)-9] != '7' }))
	}
	if testsize.RaceDetector { // the suite reads a million objects, most of them by one goroutine
		stats, err := dmap.Map(t.Context(), open(t), keyOf, dmap.Options{})
		require.NoError(t, err)
		require.EqualValues(t, 2+4500, stats.Read)
		return
	}
	same := func(a, b source.Object) bool { return a.Key == b.Key && a.Size == b.Size }
	t.Run("concat of filter", func(t *testing.T) { dmaptest.TestSource(t, open, same) })
}

func TestFlattenPlansTheSameSplitsByOneListerAndByMany(t *testing.T) {
	bucket := blob.NewBucket(&cloud{keys: shape("days", 20_000)})
	defer bucket.Close()
	splits := func(listers int) []dmap.Split {
		return splitsOf(t, source.Flatten(source.Objects(bucket, "", source.ObjectsOptions{Store: seekable, Listers: listers}), oneItem))
	}
	want := splits(1)
	require.Len(t, want, 1+20_000, "the listing has one itself")
	for _, listers := range []int{2, 7, 64} {
		require.Equal(t, want, splits(listers))
	}
}

func TestConcatOfLinesConforms(t *testing.T) {
	bucket := memory(t, map[string]string{"a": manyLines(), "b": manyLines()})
	dmaptest.TestSource(t, func(testing.TB) dmap.Source[number] {
		return source.Concat(source.Divide(source.JSONLines[number](bucket, "a"), 100), source.JSONLines[number](bucket, "b"))
	})
	dmaptest.TestSource(t, func(testing.TB) dmap.Source[string] {
		numbers := source.Concat(source.Slice([]int{1, 2, 3, 4, 5}), source.Slice([]int{6, 7}))
		return source.Transform(source.Concat(numbers, numbers), func(_ context.Context, n int) (string, error) {
			if n == 3 {
				panic("three")
			}
			return fmt.Sprint(n), nil
		})
	})
}

func TestNumberedItemsOfAConcatOfConcatsHaveDifferentIDs(t *testing.T) {
	one := source.Concat(source.Slice([]int{1}), source.Filter(source.Slice([]int{2}), func(int) bool { return true }))
	require.Equal(t, "0/0/item@0 1\n0/1/item@0 2\n1/item@0 3\n", lines(read(t, source.Concat(one, source.Slice([]int{3})))))
}
