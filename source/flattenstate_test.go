package source_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// manyObjects is n objects in/000.. of a few rows.
func manyObjects(n, rows int) map[string]string {
	objects := map[string]string{}
	for i := range n {
		objects[fmt.Sprintf("in/%05d", i)] = "n\n" + strings.Repeat(fmt.Sprintln(i), rows)
	}
	return objects
}

// flattenRows runs over the rows of all objects under in/, in a run that resumes in the bucket out.
func flattenRows(ctx context.Context, src dmap.Source[[]string], out *blob.Bucket, calls int, call func(row []string)) (dmap.Stats, error) {
	return dmap.Map(ctx, src, func(_ context.Context, row []string) (string, error) {
		call(row)
		return row[0], nil
	}, dmap.Options{RunID: "r", MaxConcurrency: calls, CommitEvery: 5 * time.Millisecond}, sink.Bucket[string](out, ""))
}

// settledIntervals is the number of intervals that the journal of the run r keeps.
func settledIntervals(t *testing.T, out *blob.Bucket) (n int) {
	commits, err := runfolder.LoadCommits(t.Context(), out, "r/")
	require.NoError(t, err)
	for _, c := range commits {
		n = max(n, len(c.Settled))
	}
	return n
}

// Objects that are listed by key, and those of a slice, whose cursors are numbers.
func TestStateOfFlattenGrowsWithUnfinishedObjects(t *testing.T) {
	const n, calls = 1200, 8
	in := memory(t, manyObjects(n, 10))
	listed := source.Objects(in, "in/")
	var list []source.Object
	for _, item := range read(t, listed) {
		list = append(list, item.Value.In(in))
	}
	for name, objects := range map[string]dmap.Source[source.Object]{
		"listing": listed, "slice": source.Slice(list), "filter": source.Filter(listed, acceptAll),
	} {
		t.Run(name, func(t *testing.T) {
			out := memory(t, nil)
			src := source.Flatten(objects, rowsIn)
			for process := 0; ; process++ {
				ctx, suspend := context.WithCancelCause(t.Context())
				var seen atomic.Int64
				stop := rand.Int64N(4000)
				_, err := flattenRows(ctx, src, out, calls, func([]string) {
					if seen.Add(1) == stop && process < 10 {
						suspend(dmap.ErrSuspended)
					}
				})
				suspend(nil)
				require.LessOrEqual(t, settledIntervals(t, out), 200, "8 readers, their chunks, and what waits for a call")
				if err == nil {
					break
				}
				require.ErrorIs(t, err, dmap.ErrSuspended)
			}
			manifest, err := results.Load(t.Context(), out, "", "r")
			require.NoError(t, err)
			times := map[string]int{}
			for record, err := range results.Successes[string](t.Context(), out, manifest) {
				require.NoError(t, err)
				times[record.Output]++
			}
			require.Len(t, times, n)
			for row, k := range times {
				require.Equal(t, 10, k, row)
			}
		})
	}
}

func TestAResumeOfFlattenedObjectsOpensFewOfThem(t *testing.T) {
	const n = 500
	in, out := dmaptest.NewFaultBucket(t, memory(t, manyObjects(n, 10))), memory(t, nil)
	src := source.Flatten(source.Objects(in.Bucket, "in/"), rowsIn)
	ctx, suspend := context.WithCancelCause(t.Context())
	defer suspend(nil)
	_, err := flattenRows(ctx, src, out, 1, func(row []string) {
		if row[0] == "490" {
			suspend(dmap.ErrSuspended)
		}
	})
	require.ErrorIs(t, err, dmap.ErrSuspended)
	before := in.Calls(dmaptest.OpOpen)
	stats, err := flattenRows(t.Context(), src, out, 1, func([]string) {})
	require.NoError(t, err)
	require.EqualValues(t, 10*n, stats.Succeeded)
	require.LessOrEqual(t, in.Calls(dmaptest.OpOpen)-before, 12)
}

// A resumed listing starts after the last object before which all is settled.
func TestAResumeOfFlattenListsFromThePrefixThatIsSettled(t *testing.T) {
	bucket := blob.NewBucket(&cloud{keys: shape("days", 20_000)})
	defer bucket.Close()
	for _, listers := range []int{1, 8} {
		src := source.Flatten(source.Objects(bucket, "", source.ObjectsOptions{Store: seekable, Listers: listers}), oneItem)
		all := splitsOf(t, src)
		var rest []dmap.Split
		for s, err := range plan(src).Resume(t.Context(), func(id string) (dmap.Cursor, bool) {
			if id != all[1].ID {
				return dmap.Cursor{}, true // the listing has an object
			}
			return all[19_001].To, true
		}) {
			require.NoError(t, err)
			rest = append(rest, s)
		}
		last := len(rest) - 1
		require.Equal(t, all[19_003:], rest[2:last], "the first split is that of the listing")
		require.Equal(t, dmap.Split{ID: all[1].ID, From: all[len(all)-1].To}, rest[last], "for objects that are listed no more")
		require.Equal(t, all[19_002].Object, rest[1].Object)
		require.Zero(t, rest[1].From, "the settled part is subtracted by the run")
	}
}

func TestAChangedObjectIsReadAsItIsUnlessAPartIsSettled(t *testing.T) {
	for name, test := range map[string]struct {
		changed string
		refused bool
	}{"nothing of it was read": {"in/00003", false}, "all of it was read": {"in/00001", false}, "half of it was read": {"in/00002", true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in, out := memory(t, manyObjects(5, 200)), memory(t, nil)
				src := source.Flatten(source.Objects(in, "in/"), rowsIn)
				ctx, suspend := context.WithCancelCause(t.Context())
				defer suspend(nil)
				var calls atomic.Int64
				_, err := flattenRows(ctx, src, out, 1, func([]string) {
					if time.Sleep(time.Millisecond); calls.Add(1) == 500 { // slow calls: one at a time
						suspend(dmap.ErrSuspended)
					}
				})
				require.ErrorIs(t, err, dmap.ErrSuspended)
				require.NoError(t, in.WriteAll(t.Context(), test.changed, []byte("n\n77\n"), nil))
				var rows []string
				_, err = flattenRows(t.Context(), src, out, 1, func(row []string) { rows = append(rows, row[0]) })
				if test.refused {
					require.ErrorIs(t, err, dmap.ErrTolerance)
					require.ErrorContains(t, err, fmt.Sprintf("object %q breaks off", test.changed))
					return
				}
				require.NoError(t, err)
				require.Equal(t, !strings.Contains(name, "all"), strings.Contains(strings.Join(rows, " "), "77"))
			})
		})
	}
}

// An object that is removed after a part of it was read breaks off, wherever it lies in the
// listing. The others are read, each as itself.
func TestARemovedObjectBreaksOffIfAPartOfItWasRead(t *testing.T) {
	listed := func(in *blob.Bucket) dmap.Source[source.Object] { return source.Objects(in, "in/") }
	for name, test := range map[string]struct {
		objects func(in *blob.Bucket) dmap.Source[source.Object]
		suspend int64 // in this call
		removed []int
		breaks  string
		rest    string // numbers of the objects that are read after the resume
	}{
		"in the middle": {listed, 500, []int{2}, "in/00002", "345"},
		"the last one":  {listed, 1100, []int{5}, "in/00005", ""},
		"and the rest":  {listed, 500, []int{2, 3, 4, 5}, "in/00002", ""},
		"only others":   {listed, 500, []int{1, 3}, "", "245"},
		"of two listings": {func(in *blob.Bucket) dmap.Source[source.Object] {
			return source.Concat(source.Objects(in, "in/00000"), source.Objects(in, "in/00001"), source.Objects(in, "in/"))
		}, 300, []int{1}, "in/00001", "02345"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in, out := memory(t, manyObjects(6, 200)), memory(t, nil)
				src := source.Flatten(test.objects(in), rowsIn)
				ctx, suspend := context.WithCancelCause(t.Context())
				defer suspend(nil)
				var calls atomic.Int64
				before, err := flattenRows(ctx, src, out, 1, func([]string) {
					if time.Sleep(time.Millisecond); calls.Add(1) == test.suspend { // slow calls: one at a time
						suspend(dmap.ErrSuspended)
					}
				})
				require.ErrorIs(t, err, dmap.ErrSuspended)
				for _, i := range test.removed {
					require.NoError(t, in.Delete(t.Context(), fmt.Sprintf("in/%05d", i)))
				}
				rows := map[string]int64{}
				stats, err := flattenRows(t.Context(), src, out, 1, func(row []string) { rows[row[0]]++ })
				m, loadErr := results.Load(t.Context(), out, "", "r")
				require.NoError(t, loadErr)
				if test.breaks == "" {
					require.NoError(t, err)
					require.Empty(t, m.Broken)
				} else {
					require.ErrorIs(t, err, dmap.ErrTolerance)
					require.ErrorContains(t, err, "not listed any more")
					require.Len(t, m.Broken, 1)
					require.Equal(t, test.breaks, m.Broken[0].Key)
					require.Equal(t, 2+2*(before.Succeeded%200), m.Broken[0].Offset, "a header, and rows of two bytes")
					require.Len(t, m.Unread.Splits, 1)
				}
				var after int64
				read := ""
				for _, number := range slices.Sorted(maps.Keys(rows)) {
					read += number
					after += rows[number]
				}
				require.Equal(t, test.rest, read)
				require.Equal(t, before.Succeeded+after, stats.Succeeded)
			})
		})
	}
}

func TestPlacesHaveTheOrderOfTheirCursors(t *testing.T) {
	cursors := []dmap.Cursor{
		{Key: "\x00a"}, {Key: "\x00b"}, {Key: "a"}, {Key: "a\x00"}, {Key: "a\x00b"}, {Key: "aa"}, {Key: "b", Offset: 1}, {Key: "b", Offset: 300}, {Key: "c", Offset: 2}, {Key: "d\xff"},
	}
	for i := 1; i < len(cursors); i++ {
		require.Less(t, source.PlaceOf(cursors[i-1]), source.PlaceOf(cursors[i]))
	}
	require.Less(t, source.PlaceOf(dmap.Cursor{Offset: 9}), source.PlaceOf(dmap.Cursor{Offset: 16}))
	for _, c := range append(cursors, dmap.Cursor{Offset: 1 << 40}) {
		if got, ok := source.ListingCursor(source.PlaceOf(c)); ok {
			require.Equal(t, c, got)
		} else {
			require.True(t, c.Offset > 0 && c.Key != "")
		}
	}
}

// A process ends while some rows of an object wait and all later ones are done. The next one
// cannot read the object any more.
func TestARestBeforeWhatIsSettledIsNotLost(t *testing.T) {
	rows := "n\n" + strings.Repeat("1\n", 100)
	for name, hurt := range map[string]func(t *testing.T, in *dmaptest.FaultBucket) (open func(source.Object) dmap.Source[[]string]){
		"reading fails": func(_ *testing.T, in *dmaptest.FaultBucket) func(source.Object) dmap.Source[[]string] {
			in.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Key: "in/0", Sticky: true, Err: errors.New("refused")})
			return rowsIn
		},
		"the object is gone": func(t *testing.T, in *dmaptest.FaultBucket) func(source.Object) dmap.Source[[]string] {
			return func(o source.Object) dmap.Source[[]string] {
				require.NoError(t, in.Delete(t.Context(), o.Key)) // it was listed
				return rowsIn(o)
			}
		},
		"open fails": func(*testing.T, *dmaptest.FaultBucket) func(source.Object) dmap.Source[[]string] {
			return func(source.Object) dmap.Source[[]string] { panic("open") }
		},
	} {
		for _, waiting := range [][]int64{{0}, {50}, {99}, {20, 40, 60}} {
			t.Run(fmt.Sprint(name, waiting), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					in, out := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"in/0": rows})), memory(t, nil)
					suspended, suspend := context.WithCancelCause(t.Context())
					defer suspend(nil)
					time.AfterFunc(time.Second, func() { suspend(dmap.ErrSuspended) })
					run := func(ctx context.Context, open func(source.Object) dmap.Source[[]string]) (dmap.Stats, error) {
						return dmap.Map(ctx, source.Flatten(source.Objects(in.Bucket, "in/"), open), func(ctx context.Context, _ []string) (string, error) {
							time.Sleep(time.Millisecond) // so that no row waits for its neighbor
							info, _ := dmap.InfoFrom(ctx)
							if suspended.Err() == nil && slices.Contains(waiting, info.Index) {
								<-ctx.Done()
								return "", ctx.Err()
							}
							return "", nil
						}, dmap.Options{RunID: "r", MaxConcurrency: 100, DrainTimeout: time.Millisecond}, sink.Bucket[string](out, ""))
					}
					before, err := run(suspended, rowsIn)
					require.ErrorIs(t, err, dmap.ErrSuspended)
					require.EqualValues(t, 100-len(waiting), before.Succeeded)
					stats, err := run(t.Context(), hurt(t, in))
					require.Error(t, err, "%+v", stats)
					require.EqualValues(t, 1, stats.BrokenObjects, "%v", err)
					require.Equal(t, before.Succeeded, stats.Succeeded)
				})
			})
		}
	}
}
