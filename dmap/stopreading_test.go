package dmap_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/stopread"
)

// Retries take an hour, far more than the drain timeout: they are not interrupted.
func TestARunThatStopsReadingFinishesWhatItHasRead(t *testing.T) {
	for name, src := range map[string]dmap.Source[int]{
		"splits": pieces{100_000, 1000}, "one split": pieces{100_000, 100_000}, "filled": filler{pieces{100_000, 500}}, "sequence": numbers(100_000),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := stopread.With(t.Context())
				time.AfterFunc(10*time.Second, stop.Ask)
				var got keep[int]
				var kept diary
				stats, err := dmap.Map(ctx, src, func(ctx context.Context, i int) (int, error) {
					time.Sleep(time.Second)
					if info, _ := dmap.InfoFrom(ctx); i%3 == 0 && info.Attempt == 1 {
						return 0, errBoom
					}
					return i, ctx.Err()
				}, dmap.Options{RunID: "r", MaxConcurrency: 10, Retry: dmap.Retry{MaxAttempts: 3, Initial: time.Hour, Max: time.Hour, NoJitter: true}}, &got, &kept)
				require.ErrorIs(t, err, dmap.ErrOpen)
				require.Equal(t, "leased", stats.Reason)
				require.Equal(t, dmap.StateOpen, stats.State)
				require.Zero(t, stats.Pending)
				require.Zero(t, stats.Failed)
				require.Positive(t, stats.Retries)
				require.Less(t, stats.Read, int64(2000))
				require.Less(t, int64(90), stats.Read)
				require.Equal(t, stats.Read, stats.Succeeded)
				if name != "sequence" {
					requireDisjoint(t, 100_000, &got)
				}
				require.Equal(t, "leased", kept.commits[len(kept.commits)-1].Stop.Reason)

				stats, err = dmap.Map(t.Context(), src, double, dmap.Options{RunID: "r", MaxConcurrency: 10}, &got, &kept)
				require.NoError(t, err)
				require.EqualValues(t, 100_000, stats.Succeeded)
				require.Len(t, got.results, 100_000)
			})
		})
	}
}

func TestAStopOfTheReadingAtEveryItem(t *testing.T) {
	const n = 120
	for at := range n + 1 {
		for _, limits := range []batch.Limits{{}, {Items: 7}} {
			ctx, stop := stopread.With(t.Context())
			if at == 0 {
				stop.Ask()
			}
			call := func(i int) {
				if i == at-1 {
					stop.Ask()
				}
			}
			opts := dmap.Options{MaxConcurrency: 1 + at%7}
			var got keep[int]
			var stats dmap.Stats
			var err error
			if limits.Items == 0 {
				stats, err = dmap.Map(ctx, pieces{n, 40}, func(_ context.Context, i int) (int, error) { call(i); return i, nil }, opts, &got)
			} else {
				stats, err = dmap.MapBatch(ctx, pieces{n, 40}, limits, func(_ context.Context, in []dmap.Item[int]) ([]int, error) {
					for _, item := range in {
						call(item.Value)
					}
					return make([]int, len(in)), nil
				}, opts, &got)
			}
			if err != nil {
				require.Equal(t, "leased", stats.Reason, "%v", err)
			}
			require.Zero(t, stats.Pending)
			require.Len(t, got.results, int(stats.Read))
			requireDisjoint(t, n, &got)
		}
	}
}

// A source that waits, and one that skips without end, are stopped too.
func TestAStopOfTheReadingEndsASourceThatYieldsNothing(t *testing.T) {
	for name, src := range map[string]items{
		"waits": func(ctx context.Context, yield func(dmap.Item[int], error) bool) {
			<-ctx.Done()
			yield(dmap.Item[int]{}, context.Cause(ctx))
		},
		"skips": func(_ context.Context, yield func(dmap.Item[int], error) bool) {
			for yield(dmap.Item[int]{Err: dmap.ErrSkip}, nil) {
				time.Sleep(time.Second)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := stopread.With(t.Context())
				time.AfterFunc(time.Minute, stop.Ask)
				began := time.Now()
				stats, err := dmap.Map(ctx, src, double, dmap.Options{})
				require.ErrorContains(t, err, "the reading was ended")
				require.Equal(t, "leased", stats.Reason)
				require.Equal(t, dmap.StateEnded, stats.State, "it has no journal")
				require.LessOrEqual(t, time.Since(began), time.Minute+time.Second)
			})
		})
	}
}

// The readers have divided the listing: each leaves its range.
func TestAStopOfTheReadingLeavesTheRangesOfADividedListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &sheet{pieces: pieces{n: 100_000}, readers: 8, page: 100, delay: time.Second}
		ctx, stop := stopread.With(t.Context())
		time.AfterFunc(time.Minute, stop.Ask)
		var got keep[int]
		stats, err := dmap.Map(ctx, src, func(_ context.Context, i int) (int, error) {
			time.Sleep(100 * time.Millisecond)
			return i, nil
		}, dmap.Options{MaxConcurrency: 1000}, &got)
		require.Equal(t, "leased", stats.Reason, "%v", err)
		require.Positive(t, stats.Read)
		unread := got.ended[0].Unread
		require.Len(t, unread.Splits, 8)
		for i, s := range unread.Splits {
			if s.To == (dmap.Cursor{}) {
				unread.Splits[i].To.Offset = 100_000
			}
		}
		requireDisjoint(t, 100_000, &got)
	})
}

func TestTheReadingOfARunInsideACallIsNotStopped(t *testing.T) {
	ctx, stop := stopread.With(t.Context())
	var inner dmap.Stats
	stats, err := dmap.Map(ctx, numbers(1_000), func(ctx context.Context, _ int) (int, error) {
		stop.Ask()
		var err error
		inner, err = dmap.Map(ctx, numbers(1000), double, dmap.Options{})
		return 0, err
	}, dmap.Options{MaxConcurrency: 1})
	require.Equal(t, "leased", stats.Reason, "%v", err)
	require.Zero(t, stats.Failed)
	require.EqualValues(t, 1000, inner.Succeeded)
}

func TestARunThatStopsReadingCanStillBeSuspended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := stopread.With(t.Context())
		time.AfterFunc(time.Second, stop.Ask)
		run, err := dmap.Start(ctx, numbers(1000), func(ctx context.Context, i int) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}, dmap.Options{MaxConcurrency: 10})
		require.NoError(t, err)
		time.AfterFunc(time.Hour, run.Suspend)
		stats, err := run.Wait()
		require.ErrorIs(t, err, dmap.ErrSuspended)
		require.Equal(t, "suspended", stats.Reason)
		require.Positive(t, stats.Pending)
	})
}

// Suspects were read, so they run before the end.
func TestSuspectsRunAfterTheReadingWasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		suspect := journal.Trial{Item: journal.Interval{Split: "0", From: journal.Cursor{Offset: 0}, To: journal.Cursor{Offset: 10}}}
		kept := diary{commits: []journal.Commit{{Number: 0, Trying: []journal.Trial{suspect}}}}
		src := pieces{1000, 1000}
		var first diary
		_, err := dmap.Map(t.Context(), src, double, dmap.Options{RunID: "r"}, &first)
		require.NoError(t, err)
		kept.begun = first.begun
		ctx, stop := stopread.With(t.Context())
		time.AfterFunc(5*time.Second, stop.Ask)
		called := map[int]bool{}
		stats, err := dmap.Map(ctx, src, func(_ context.Context, i int) (int, error) {
			called[i] = true
			time.Sleep(time.Second)
			return i, nil
		}, dmap.Options{RunID: "r", MaxConcurrency: 1}, &kept)
		require.Equal(t, "leased", stats.Reason, "%v", err)
		require.Zero(t, stats.Pending)
		for i := range 10 {
			require.True(t, called[i], i)
		}
	})
}
