package leaserun_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/leaserun"
	"github.com/go-dmap/dmap/internal/pieces"
	"github.com/go-dmap/dmap/source"
)

type number struct {
	N int `json:"n" csv:"n"`
}

func bucket(t *testing.T) *blob.Bucket {
	t.Helper()
	b := memblob.OpenBucket(nil)
	t.Cleanup(func() { b.Close() })
	var lines, rows, array strings.Builder
	rows.WriteString("n\n")
	for i := range 300 {
		fmt.Fprintf(&lines, "{\"n\":%d}\n", i)
		fmt.Fprintf(&rows, "%d\n", i)
		fmt.Fprintf(&array, ",{\"n\":%d}", i)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write([]byte(lines.String()))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	put := func(key string, body []byte) { require.NoError(t, b.WriteAll(t.Context(), key, body, nil)) }
	put("rows.csv", []byte(rows.String()))
	put("lines.jsonl", []byte(lines.String()))
	put("lines.jsonl.gz", packed.Bytes())
	put("array.json", []byte("["+array.String()[1:]+"]"))
	for i := range 40 {
		put(fmt.Sprintf("in/%03d.jsonl", i), []byte(lines.String()[:8*(i%7)]))
	}
	return b
}

// Whatever the source: the items of all leases are those of one run, each once. Leases return early
// at many moments, and a piece that comes back is divided again.
func TestTheItemsOfLeasesAreThoseOfOneRun(t *testing.T) {
	b := bucket(t)
	lines := source.JSONLines[number](b, "lines.jsonl")
	ints := make([]int, 10_100)
	for i := range ints {
		ints[i] = i
	}
	linesOf := func(o source.Object) dmap.Source[number] { return source.JSONLinesOf[number](o) }
	keys := []string{"in/001.jsonl", "in/002.jsonl", "lines.jsonl", "missing"}
	t.Run("csv", func(t *testing.T) { throughLeases(t, source.CSV(b, "rows.csv", source.Into[number])) })
	t.Run("json lines", func(t *testing.T) { throughLeases(t, lines) })
	t.Run("gzip", func(t *testing.T) { throughLeases(t, source.JSONLines[number](b, "lines.jsonl.gz")) })
	t.Run("json array", func(t *testing.T) { throughLeases(t, source.JSONArray[number](b, "array.json")) })
	t.Run("objects", func(t *testing.T) { throughLeases(t, source.Objects(b, "in/")) })
	t.Run("keys", func(t *testing.T) { throughLeases(t, source.Keys(b, keys)) })
	t.Run("slice", func(t *testing.T) { throughLeases(t, source.Slice(ints)) })
	t.Run("flatten", func(t *testing.T) { throughLeases(t, source.Flatten(source.Objects(b, "in/"), linesOf)) })
	t.Run("filter", func(t *testing.T) {
		throughLeases(t, source.Filter(lines, func(n number) bool { return n.N%3 > 0 }))
	})
	t.Run("transform", func(t *testing.T) {
		throughLeases(t, source.Transform(lines, func(_ context.Context, n number) (int, error) { return n.N, nil }))
	})
	t.Run("concat", func(t *testing.T) {
		throughLeases(t, source.Concat(source.Slice([]number{{1}, {2}, {3}}), lines, source.CSV(b, "rows.csv", source.Into[number])))
	})
	t.Run("a listing that its readers divide", func(t *testing.T) { throughLeases[int](t, sheet{numbers{n: 2000}}) })
	t.Run("an interface of the user", func(t *testing.T) { throughLeases[int](t, numbers{n: 700, each: 90}) })
}

func throughLeases[T any](t *testing.T, src dmap.Source[T]) {
	want := map[string]int{}
	for item, err := range src.Items(t.Context()) {
		require.NoError(t, err)
		if !errors.Is(item.Err, dmap.ErrSkip) {
			want[item.ID()] = 1
		}
	}
	synctest.Test(t, func(t *testing.T) {
		planned, err := collect(pieces.Plan(t.Context(), dmap.PlanOf(src), pieces.Cursor{}, pieces.Limits{Items: 150, Bytes: 2000}))
		require.NoError(t, err)
		f := fleet[T]{
			store: &store{},
			job: leaserun.Job[T, int]{Source: src, Options: dmap.Options{RunID: "r"}, Call: func(context.Context, T) (int, error) {
				time.Sleep(10 * time.Millisecond)
				return 0, nil
			}},
			perTime: func(n int64) lease.Lease {
				return lease.Lease{Slots: 1 + int(n)%4, Rest: 32, Failures: -1, Splits: make([]dmap.Split, 1+n%3), Time: time.Duration(1+n%5) * 20 * time.Millisecond}
			},
		}
		f.asks = func(n int64, c *leaserun.Control) {
			time.AfterFunc(time.Duration(20+n*37%60)*time.Millisecond, c.Return)
		}
		for _, p := range planned {
			f.queue = append(f.queue, p.Split)
		}
		left, err := f.run(t.Context(), 3)
		require.NoError(t, err)
		require.Empty(t, left)
		require.Equal(t, want, f.store.results())
		t.Logf("%d pieces, %d leases", len(planned), f.next)
	})
}

func TestASequenceIsRefused(t *testing.T) {
	for _, src := range []dmap.Source[int]{
		source.Seq(slices.Values([]int{1, 2})), source.Filter(source.Seq(slices.Values([]int{1})), func(int) bool { return true }),
		source.Concat(source.Slice([]int{1}), source.Seq(slices.Values([]int{1, 2}))),
	} {
		_, err := collect(pieces.Plan(t.Context(), dmap.PlanOf(src), pieces.Cursor{}, pieces.Usual()))
		require.ErrorIs(t, err, pieces.ErrNotShared)
		require.ErrorContains(t, err, "cannot share the run")
	}
}

// The readers of the first lease have divided the listing: other workers get its ranges.
func TestALeaseOfAListingReturnsTheRangesOfItsReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := sheet{numbers{n: 1_000_000}}
		l := lease.Lease{Splits: []dmap.Split{{ID: "sheet"}}, Rest: 32, Slots: 100, Time: 2 * time.Second}
		report, err := leaserun.Run(t.Context(), leaserun.Job[int, int]{Source: src, Call: sleeps(time.Second), Options: dmap.Options{RunID: "r"}},
			l, newLane[int](&store{}, l.Ref), &leaserun.Control{})
		require.NoError(t, err)
		require.Equal(t, lease.Late, report.Reason)
		require.Len(t, report.Rest, sheetReaders)
	})
}

// A listing without objects is not settled. The start of a listing without objects is not either,
// until another lease has seen one.
func TestAnEmptyListingIsReported(t *testing.T) {
	b := bucket(t)
	for _, s := range []dmap.Split{{ID: "keys"}, {ID: "keys", To: dmap.Cursor{Key: "nothing/b"}}} {
		l := lease.Lease{Splits: []dmap.Split{s}, Slots: 1}
		report, err := leaserun.Run(t.Context(), leaserun.Job[source.Object, int]{
			Source: source.Objects(b, "nothing/"), Options: dmap.Options{RunID: "r"},
			Call: func(context.Context, source.Object) (int, error) { return 0, nil },
		}, l, newLane[int](&store{}, l.Ref), &leaserun.Control{})
		require.NoError(t, err)
		require.Equal(t, lease.Done, report.Reason)
		require.Empty(t, report.Rest)
		require.Equal(t, []dmap.Split{s}, report.Empty)
	}
}

// sheet is a listing in pages of 100, each after 10 ms, that its readers divide.
type sheet struct{ numbers }

const sheetReaders = 8

func (s sheet) Items(ctx context.Context) iter.Seq2[dmap.Item[int], error] {
	return s.numbers.read(ctx, dmap.Split{To: dmap.Cursor{Offset: int64(s.n)}})
}

func (s sheet) Plan() dmap.Plan[int] {
	return dmap.Plan[int]{
		Splits: func(context.Context) iter.Seq2[dmap.Split, error] {
			return func(yield func(dmap.Split, error) bool) { yield(dmap.Split{ID: "sheet"}, nil) }
		},
		Read: s.read, TrySplit: s.trySplit, Readers: sheetReaders,
		Sharing: func(dmap.Split) dmap.Sharing { return dmap.SharedByTrySplit },
	}
}

func (s sheet) end(split dmap.Split) int64 {
	if split.To == (dmap.Cursor{}) {
		return int64(s.n)
	}
	return split.To.Offset
}

func (s sheet) trySplit(_ context.Context, reading []dmap.Split) (which int, at dmap.Cursor, ok bool) {
	most := int64(400)
	for i, r := range reading {
		if n := s.end(r) - r.From.Offset; n > most {
			most, which, ok = n, i, true
		}
	}
	return which, dmap.Cursor{Offset: reading[which].From.Offset + most/2}, ok
}

func (s sheet) read(ctx context.Context, split dmap.Split) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		for i := split.From.Offset; i < int64(s.n); i++ {
			if (i-split.From.Offset)%100 == 0 {
				select {
				case <-time.After(10 * time.Millisecond):
				case <-ctx.Done():
					yield(dmap.Item[int]{}, context.Cause(ctx))
					return
				}
			}
			if !yield(dmap.Item[int]{Key: "n", Offset: i, Value: int(i), Next: dmap.Cursor{Offset: i + 1}}, nil) {
				return
			}
		}
	}
}
