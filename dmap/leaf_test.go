package dmap_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// shelf is a listing in one split, as sheet is: objects are those of its n keys that has accepts.
// Others do not match its pattern, or are dropped by a filter.
type shelf struct {
	sheet
	has     func(i int64) bool
	dropped func(i int64) bool // nil: none
}

var errNotListed = fmt.Errorf("%w: %w", dmap.ErrSkip, dmap.ErrNoObjects)

func (s *shelf) Plan() dmap.Plan[int] {
	p := s.sheet.Plan()
	p.Read = s.Read
	return p
}

func (s *shelf) Items(ctx context.Context) iter.Seq2[dmap.Item[int], error] {
	return s.Read(ctx, dmap.Split{ID: "sheet"})
}

func (s *shelf) Read(ctx context.Context, r dmap.Split) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		seen := false
		for item, err := range s.sheet.Read(ctx, r) {
			switch i := int64(item.Value); {
			case err != nil:
			case s.dropped != nil && s.dropped(i):
				item.Err, seen = dmap.ErrSkip, true
			case !s.has(i):
				item.Err = errNotListed
			default:
				seen = true
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
		if !seen {
			yield(dmap.Item[int]{}, fmt.Errorf("shelf of %d: %w", s.n, dmap.ErrNoObjects))
		}
	}
}

func newShelf(n, readers int, has func(int64) bool) *shelf {
	return &shelf{sheet: sheet{pieces: pieces{n: n}, readers: readers, page: 10, delay: time.Millisecond}, has: has}
}

func never(int64) bool { return false }

func TestAnEmptyListingStaysUnreadUntilObjectsArrive(t *testing.T) {
	for _, keys := range []int{0, 1, 500} {
		t.Run(fmt.Sprint(keys), func(t *testing.T) {
			var d diary
			opts := dmap.Options{RunID: "r", CommitEvery: time.Millisecond}
			for range 3 {
				src := newShelf(keys, 8, never)
				stats, err := dmap.Map(t.Context(), src, double, opts, &page{}, &d)
				require.ErrorIs(t, err, dmap.ErrNoObjects)
				require.ErrorContains(t, err, fmt.Sprintf("shelf of %d", keys))
				require.EqualValues(t, keys, stats.Read)
				require.EqualValues(t, keys, stats.Skipped)
			}
			late := newShelf(keys+3, 8, func(i int64) bool { return i >= int64(keys) })
			stats, err := dmap.Map(t.Context(), late, double, opts, &page{}, &d)
			require.NoError(t, err)
			require.EqualValues(t, 3, stats.Succeeded)
			require.EqualValues(t, keys, stats.Skipped)
			require.Equal(t, stats.Read, stats.Succeeded+stats.Skipped)
			require.Len(t, d.counted(t), 3)
		})
	}
}

// One object anywhere, and pieces without one before and after it, however the listing is divided.
func TestAListingIsJudgedOverAllItsPieces(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			n := 1 + random.IntN(2000)
			only := int64(random.IntN(n))
			src := newShelf(n, 1+random.IntN(8), func(i int64) bool { return i == only })
			if seed%2 == 1 { // the object is dropped by a filter
				src.dropped, src.has = src.has, never
			}
			src.cut = func(reading []dmap.Split) (int, dmap.Cursor, bool) {
				return random.IntN(len(reading)+2) - 1, dmap.Cursor{Offset: random.Int64N(int64(n) + 10)}, random.IntN(8) > 0
			}
			var got keep[int]
			stats, err := dmap.Map(t.Context(), src, double, dmap.Options{}, &got)
			require.NoError(t, err, "seed %d", seed)
			require.EqualValues(t, n, stats.Read, "seed %d", seed)
			require.EqualValues(t, 1-seed%2, stats.Succeeded, "seed %d", seed)
			require.Empty(t, got.ended[0].Unread, "seed %d", seed)

			src = newShelf(n, 1+random.IntN(8), never)
			stats, err = dmap.Map(t.Context(), src, double, dmap.Options{}, &got)
			require.ErrorIs(t, err, dmap.ErrNoObjects, "seed %d", seed)
			require.EqualValues(t, n, stats.Skipped, "seed %d", seed)
		})
	}
}

func TestObjectsSeenBeforeAnInterruptionCount(t *testing.T) {
	var d diary
	opts := dmap.Options{RunID: "r", MaxConcurrency: 1, CommitEvery: time.Millisecond}
	ctx, suspend := context.WithCancelCause(t.Context())
	calls := 0
	_, err := dmap.Map(ctx, newShelf(100, 1, func(int64) bool { return true }), func(_ context.Context, i int) (int, error) {
		if calls++; calls == 5 {
			suspend(dmap.ErrSuspended)
		}
		return i, nil
	}, opts, &page{}, &d)
	require.ErrorIs(t, err, dmap.ErrSuspended)
	stats, err := dmap.Map(t.Context(), newShelf(100, 1, never), double, opts, &page{}, &d) // all others are gone
	require.NoError(t, err)
	require.EqualValues(t, len(d.counted(t)), stats.Succeeded)
	require.Equal(t, stats.Read, stats.Succeeded+stats.Skipped)
}

// several reads one source after the other, as Concat does.
type several []interface {
	dmap.Source[int]
	dmap.Planner[int]
}

func (s several) Items(context.Context) iter.Seq2[dmap.Item[int], error] { panic("it has a Plan") }

func (s several) Plan() dmap.Plan[int] {
	return dmap.Plan[int]{
		Splits: func(context.Context) iter.Seq2[dmap.Split, error] {
			return func(yield func(dmap.Split, error) bool) {
				for i := range s {
					if !yield(dmap.Split{ID: fmt.Sprint(i)}, nil) {
						return
					}
				}
			}
		},
		Read: func(ctx context.Context, split dmap.Split) iter.Seq2[dmap.Item[int], error] {
			var i int
			_, _ = fmt.Sscan(split.ID, &i)
			return s[i].Plan().Read(ctx, split)
		},
	}
}

func TestEachListingIsJudgedAloneAndTheOthersAreProcessed(t *testing.T) {
	var d diary
	opts := dmap.Options{RunID: "r"}
	full := newShelf(50, 1, func(int64) bool { return true })
	stats, err := dmap.Map(t.Context(), several{newShelf(3, 1, never), full, newShelf(0, 1, never)}, double, opts, &page{}, &d)
	require.ErrorIs(t, err, dmap.ErrNoObjects)
	require.ErrorContains(t, err, "shelf of 3")
	require.ErrorContains(t, err, "shelf of 0")
	require.NotContains(t, err.Error(), "shelf of 50")
	require.EqualValues(t, 50, stats.Succeeded)
	require.Len(t, d.counted(t), 50)

	late := newShelf(2, 1, func(int64) bool { return true })
	stats, err = dmap.Map(t.Context(), several{newShelf(3, 1, never), full, late}, double, opts, &page{}, &d)
	require.ErrorIs(t, err, dmap.ErrNoObjects)
	require.NotContains(t, err.Error(), "shelf of 2")
	require.EqualValues(t, 52, stats.Succeeded)

	stats, err = dmap.Map(t.Context(), several{late, full, late}, double, opts, &page{}, &d)
	require.NoError(t, err)
	require.EqualValues(t, 54, stats.Succeeded)
	require.Len(t, d.counted(t), 54)
}

func TestAnEmptyListingDoesNotKeepAFailedRunOpen(t *testing.T) {
	var d diary
	var p page
	opts := dmap.Options{RunID: "r", Tolerance: dmap.Tolerance{Percentage: 1}}
	fail := func(context.Context, int) (int, error) { return 0, errBoom }
	_, err := dmap.Map(t.Context(), several{newShelf(0, 1, never), newShelf(5, 1, func(int64) bool { return true })}, fail, opts, &p, &d)
	require.ErrorIs(t, err, dmap.ErrTolerance)
	require.NotErrorIs(t, err, dmap.ErrNoObjects)
	require.False(t, p.ended[0].Resumable)
	require.Equal(t, []dmap.Split{{ID: "0"}}, p.ended[0].Unread.Splits)
}

func TestMaxItemsEndsARunAlsoAfterAnEmptyListing(t *testing.T) {
	full := newShelf(50, 1, func(int64) bool { return true })
	stats, err := dmap.Map(t.Context(), several{newShelf(0, 1, never), full}, double, dmap.Options{MaxItems: 7})
	require.NoError(t, err)
	require.EqualValues(t, 7, stats.Succeeded)
}

func TestARunWithoutItemsSucceedsAndSaysSo(t *testing.T) {
	dropped := newShelf(20, 4, never)
	dropped.dropped = func(int64) bool { return true }
	for name, src := range map[string]dmap.Source[int]{
		"nothing": numbers(0), "no splits": pieces{}, "all dropped": dropped,
	} {
		t.Run(name, func(t *testing.T) {
			var log strings.Builder
			logger := slog.New(slog.NewTextHandler(&log, nil))
			stats, err := dmap.Map(t.Context(), src, double, dmap.Options{Logger: logger})
			require.NoError(t, err)
			require.Zero(t, stats.Succeeded)
			require.Equal(t, 1, strings.Count(log.String(), "run had no items"), log.String())
		})
	}
	var log strings.Builder
	_, err := dmap.Map(t.Context(), numbers(1), double, dmap.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	require.NotContains(t, log.String(), "no items")
}

func TestAnErrorOfTheContextIsNotAnEmptyListing(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	src := items(func(_ context.Context, yield func(dmap.Item[int], error) bool) {
		cancel(errBoom)
		yield(dmap.Item[int]{}, errors.Join(dmap.ErrNoObjects))
	})
	_, err := dmap.Map(ctx, src, double, dmap.Options{})
	require.ErrorIs(t, err, errBoom)
	require.NotErrorIs(t, err, dmap.ErrNoObjects)
}
