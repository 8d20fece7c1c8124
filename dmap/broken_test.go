package dmap_test

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// fragile is a source of objects of ten records, a split each. Those in breaks break off after
// that number of records.
type fragile struct {
	objects int
	breaks  map[int]int64
	inItem  bool // the rest is an item's error, not that of Read; all objects are one split
}

func (f fragile) Items(context.Context) iter.Seq2[dmap.Item[int], error] { panic("it has a Plan") }

func (f fragile) Plan() dmap.Plan[int] { return dmap.Plan[int]{Splits: f.splits, Read: f.read} }

func (f fragile) splits(context.Context) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) {
		if f.inItem {
			yield(dmap.Split{ID: "all"}, nil)
			return
		}
		for i := range f.objects {
			if !yield(dmap.Split{ID: fmt.Sprint(i)}, nil) {
				return
			}
		}
	}
}

const perObject = 10

func (f fragile) read(_ context.Context, s dmap.Split) iter.Seq2[dmap.Item[int], error] {
	first, last := 0, f.objects-1
	if !f.inItem {
		_, _ = fmt.Sscan(s.ID, &first)
		last = first
	}
	return func(yield func(dmap.Item[int], error) bool) {
		for i := first; i <= last; i++ {
			if !f.object(i, s.From, yield) {
				return
			}
		}
	}
}

// object yields the records of an object after a cursor.
func (f fragile) object(i int, from dmap.Cursor, yield func(dmap.Item[int], error) bool) bool {
	start := int64(i * perObject)
	breaks, broken := f.breaks[i]
	for k := range int64(perObject) {
		at := start + k
		if broken && k == breaks {
			err := &dmap.BrokenObjectError{Key: fmt.Sprint(i), Offset: k, Hash: fmt.Sprintf("hash-%d", i), Err: errBoom}
			if !f.inItem {
				return yield(dmap.Item[int]{}, err)
			}
			if from.Offset >= start+perObject {
				return true
			}
			return yield(dmap.Item[int]{Key: "n", Offset: at, Next: dmap.Cursor{Offset: start + perObject}, Err: err}, nil)
		}
		if at < from.Offset {
			continue
		}
		item := dmap.Item[int]{Key: "n", Offset: at, Value: int(at), Next: dmap.Cursor{Offset: at + 1}}
		if k%4 == 3 {
			item.Err = dmap.ErrSkip
		}
		if !yield(item, nil) {
			return false
		}
	}
	return true
}

// An object breaks off at its start, in its middle, and after a skipped item.
func TestTheRestOfABrokenObjectIsUnreadAndEverythingElseIsProcessed(t *testing.T) {
	for _, inItem := range []bool{false, true} {
		t.Run(fmt.Sprintf("in an item %v", inItem), func(t *testing.T) {
			var d diary
			var p page
			opts := dmap.Options{RunID: "r", CommitEvery: time.Millisecond, Tolerance: dmap.Tolerance{Percentage: 50}}
			src := fragile{objects: 9, breaks: map[int]int64{0: 0, 3: 4, 8: 6}, inItem: inItem}
			stats, err := dmap.Map(t.Context(), src, double, opts, &p, &d)
			require.ErrorIs(t, err, dmap.ErrTolerance, "not hidden by the percentage")
			require.ErrorIs(t, err, errBoom)
			require.ErrorContains(t, err, `3 objects broke off, allowed: 0`)
			require.ErrorContains(t, err, `object "3" breaks off at offset 4`)
			require.EqualValues(t, 3, stats.BrokenObjects)
			require.Zero(t, stats.Failed)
			require.EqualValues(t, 9*perObject-10-6-4, stats.Read)
			require.Equal(t, stats.Read, stats.Succeeded+stats.Failed+stats.Skipped+stats.Pending)

			end := p.ended[0]
			require.False(t, end.Resumable, "it has ended, FAILED")
			require.Len(t, end.Broken, 3)
			require.Nil(t, end.Unread.After)
			want := map[string]string{"hash-0": "0-10", "hash-3": "34-40", "hash-8": "86-90"}
			if !inItem {
				want = map[string]string{"hash-0": "0-0", "hash-3": "34-0", "hash-8": "86-0"}
			}
			got := map[string]string{}
			for _, s := range end.Unread.Splits {
				got[s.Before] = fmt.Sprintf("%d-%d", s.From.Offset, s.To.Offset)
			}
			require.Equal(t, want, got)
			require.Len(t, d.counted(t), int(stats.Succeeded))
		})
	}
}

func TestBrokenObjectsAreToleratedByACountOfTheirOwn(t *testing.T) {
	for tolerated, fails := range map[int64]bool{1: true, 2: false, 3: false} {
		var got keep[int]
		src := fragile{objects: 5, breaks: map[int]int64{1: 5, 2: 0}}
		opts := dmap.Options{Tolerance: dmap.Tolerance{BrokenObjects: tolerated}}
		stats, err := dmap.Map(t.Context(), src, double, opts, &got)
		require.Equal(t, fails, err != nil, "%v", err)
		require.EqualValues(t, 2, stats.BrokenObjects)
		require.Len(t, got.ended[0].Unread.Splits, 2, "also of a run that succeeded")
	}
	_, err := dmap.Map(t.Context(), numbers(9), func(context.Context, int) (int, error) { return 0, errBoom },
		dmap.Options{Tolerance: dmap.Tolerance{BrokenObjects: 5}})
	require.ErrorIs(t, err, dmap.ErrTolerance, "broken objects tolerated: items are not")
	_, err = dmap.Map(t.Context(), numbers(9), double, dmap.Options{Tolerance: dmap.Tolerance{BrokenObjects: -1}})
	require.ErrorContains(t, err, "Tolerance.BrokenObjects -1: want 0 to 10000")
}

// Several splits of one object meet the same break, or a change of the object, each.
func TestABrokenObjectCountsOnceForAllItsSplits(t *testing.T) {
	var got keep[int]
	broken := &dmap.BrokenObjectError{Key: "k", Err: errBoom}
	stats, err := dmap.Map(t.Context(), breaking{pieces{n: 40, each: 10}, broken}, double, dmap.Options{}, &got)
	require.ErrorContains(t, err, "1 objects broke off")
	require.EqualValues(t, 1, stats.BrokenObjects)
	require.EqualValues(t, 4*5, stats.Succeeded)
	require.Len(t, got.ended[0].Broken, 1)
	require.Len(t, got.ended[0].Unread.Splits, 4)
}

// breaking is pieces whose splits break off in their middle.
type breaking struct {
	pieces
	err error
}

func (b breaking) Plan() dmap.Plan[int] { return planOf(b) }

func (b breaking) Read(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		for item := range b.pieces.Read(ctx, s) {
			if item.Offset-s.From.Offset == 5 {
				yield(item, b.err)
				return
			}
			if !yield(item, nil) {
				return
			}
		}
	}
}

func TestAResumeReadsTheRestOfABrokenObjectAgain(t *testing.T) {
	for _, inItem := range []bool{false, true} {
		var d diary
		opts := dmap.Options{RunID: "r", MaxConcurrency: 1, CommitEvery: time.Millisecond}
		ctx, suspend := context.WithCancelCause(t.Context())
		_, err := dmap.Map(ctx, fragile{objects: 9, breaks: map[int]int64{0: 2, 3: 4}, inItem: inItem}, func(_ context.Context, i int) (int, error) {
			if i == 60 {
				suspend(dmap.ErrSuspended)
			}
			return i, nil
		}, opts, &page{}, &d)
		require.ErrorIs(t, err, dmap.ErrSuspended)
		var p page
		stats, err := dmap.Map(t.Context(), fragile{objects: 9, inItem: inItem}, double, opts, &p, &d) // mended
		require.NoError(t, err)
		require.Zero(t, stats.BrokenObjects)
		require.EqualValues(t, 9*perObject, stats.Read)
		require.Empty(t, p.ended[0].Unread)
		counted := map[int64]bool{}
		for _, offset := range d.counted(t) {
			require.False(t, counted[offset])
			counted[offset] = true
		}
		require.EqualValues(t, stats.Succeeded, len(counted))
	}
}

func TestARunThatMeetsTooManyBrokenObjectsStops(t *testing.T) {
	breaks := map[int]int64{}
	for i := range 5000 {
		breaks[i] = 0
	}
	var log strings.Builder
	var got keep[int]
	opts := dmap.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	stats, err := dmap.Map(t.Context(), fragile{objects: 5000, breaks: breaks}, double, opts, &got)
	require.ErrorIs(t, err, dmap.ErrTolerance)
	require.Less(t, stats.BrokenObjects, int64(1100))
	require.Len(t, got.ended[0].Broken, 100)
	require.Less(t, len(got.ended[0].Unread.Splits), 1200)
	require.Equal(t, 10, strings.Count(log.String(), "object breaks off, its rest"))
	var tolerance *dmap.ToleranceError
	require.ErrorAs(t, err, &tolerance)
	require.Len(t, tolerance.FirstBroken, 10)
}

// A process ends while some calls of an object wait and later ones have returned. The next
// one cannot read the object any more.
func TestTheRestOfABrokenObjectIsUnreadAlsoBeforeWhatIsSettled(t *testing.T) {
	for name, waiting := range map[string][]int{"one part": {5}, "two parts": {2, 5}, "the last item": {9}, "with a skipped one": {6}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				var p page
				opts := dmap.Options{RunID: "r", MaxConcurrency: 10, DrainTimeout: time.Millisecond}
				ctx, suspend := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { suspend(dmap.ErrSuspended) })
				_, err := dmap.Map(ctx, fragile{objects: 1, inItem: true}, func(ctx context.Context, i int) (int, error) {
					time.Sleep(time.Millisecond) // so that no item waits for its neighbor
					if slices.Contains(waiting, i) {
						<-ctx.Done()
						return 0, ctx.Err()
					}
					return i, nil
				}, opts, &p, &d)
				require.ErrorIs(t, err, dmap.ErrSuspended)
				settled := len(d.counted(t))
				require.Equal(t, perObject-2-len(waiting), settled, "two are skipped")

				stats, err := dmap.Map(t.Context(), fragile{objects: 1, breaks: map[int]int64{0: int64(waiting[0])}, inItem: true}, double, opts, &p, &d)
				require.ErrorIs(t, err, dmap.ErrTolerance)
				require.ErrorContains(t, err, "1 objects broke off")
				require.EqualValues(t, 1, stats.BrokenObjects)
				require.Len(t, d.counted(t), settled)
				require.NotEmpty(t, p.ended[len(p.ended)-1].Unread.Splits)
			})
		})
	}
}
