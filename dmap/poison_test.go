package dmap_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
)

// die runs a job whose item 70 takes the process down: at that moment nothing more reaches the journal, as after a kill.
// The source is one piece, read in order, so that item 70 comes while the run is still careful.
func die(t *testing.T, d *diary, inBatches bool, poisonAfter int) (survived bool, failed []dmap.Result[int]) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var dead atomic.Bool
	d.onAppend = func(int) (bool, error) {
		if dead.Load() {
			return false, errBoom
		}
		return true, nil
	}
	call := func(ctx context.Context, i int) (int, error) {
		time.Sleep(10 * time.Millisecond)
		if i == 70 {
			dead.Store(true)
			cancel(errBoom)
		}
		if dead.Load() {
			<-ctx.Done()
			return 0, ctx.Err()
		}
		return i, nil
	}
	opts := dmap.Options{RunID: "r", MaxConcurrency: 10, CommitEvery: 50 * time.Millisecond, Journal: d, Tolerance: dmap.Tolerance{Count: 1}, PoisonAfter: poisonAfter}
	var got keep[int]
	var err error
	if inBatches {
		_, err = dmap.MapBatch(ctx, pieces{200, 200}, batch.Limits{Items: 4}, func(ctx context.Context, in []dmap.Item[int]) ([]int, error) {
			for _, item := range in {
				if _, err := call(ctx, item.Value); err != nil {
					return nil, err
				}
			}
			return make([]int, len(in)), nil
		}, opts, dmap.Sink[int](&page{}), &got)
	} else {
		_, err = dmap.Map(ctx, pieces{200, 200}, call, opts, dmap.Sink[int](&page{}), &got)
	}
	if err == nil {
		for _, r := range got.results {
			if r.Err != nil {
				failed = append(failed, r)
			}
		}
		return true, failed
	}
	require.True(t, dead.Load(), "%v", err)
	return false, nil
}

func TestAnItemThatTakesTheProcessDownIsSetAsideAfterThreeRecordedDeaths(t *testing.T) {
	for _, inBatches := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var d diary
			deaths := 0
			for {
				survived, failed := die(t, &d, inBatches, 0)
				if !survived {
					deaths++
					require.Less(t, deaths, 6)
					continue
				}
				require.Len(t, failed, 1, "nobody else is blamed")
				require.EqualValues(t, 70, failed[0].Offset)
				var poison *dmap.PoisonError
				require.ErrorAs(t, failed[0].Err, &poison)
				require.Equal(t, 3, poison.Deaths)
				require.Equal(t, "poison", dmap.Class(failed[0].Err))
				break
			}
			require.Equal(t, 4, deaths, "batches %v: the first death has no record: nothing is announced before a run is resumed", inBatches)
			require.Len(t, d.counted(t), 200)
		})
	}
}

func TestNoItemIsSetAsideWhereTheDeathsComeFromOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		for range 8 {
			survived, _ := die(t, &d, false, -1)
			require.False(t, survived)
		}
		for _, c := range d.commits {
			require.Empty(t, c.Trying)
		}
	})
}

func TestASuspendedRunIsNotUnderSuspicion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		opts := dmap.Options{RunID: "r", MaxConcurrency: 10, CommitEvery: 50 * time.Millisecond, Journal: &d, DrainTimeout: time.Millisecond}
		for range 6 {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(200*time.Millisecond, func() { cancel(dmap.ErrSuspended) })
			_, err := dmap.Map(ctx, numbers(20), func(ctx context.Context, i int) (int, error) {
				select {
				case <-time.After(time.Second):
					return i, nil
				case <-ctx.Done():
					return 0, ctx.Err()
				}
			}, opts, &page{})
			require.ErrorIs(t, err, dmap.ErrSuspended)
			cancel(nil)
		}
		for _, c := range d.commits {
			require.Empty(t, c.Trying)
		}
		stats, err := dmap.Map(t.Context(), numbers(20), double, opts, &page{})
		require.NoError(t, err)
		require.EqualValues(t, 20, stats.Succeeded)
	})
}

func TestTrialsAreFoldedLikeEverythingElse(t *testing.T) {
	item := func(n int64) dmap.Trial {
		return dmap.Trial{Item: dmap.Interval{Split: "s", From: dmap.Cursor{Offset: n}, To: dmap.Cursor{Offset: n + 1}}, ID: "x", Live: true}
	}
	var p dmap.Progress
	p.Apply(dmap.Commit{Number: 0, Begins: true}, dmap.Commit{Number: 1, Trying: []dmap.Trial{item(1), item(2), item(3)}},
		dmap.Commit{Number: 2, Settled: []dmap.Interval{item(2).Item}})
	require.Len(t, p.Trials, 3)
	p.Apply(dmap.Commit{Number: 3, Begins: true})
	require.Len(t, p.Trials, 2, "what has settled is nobody's suspect")
	require.Equal(t, 1, p.Trials[0].Deaths)
	p.Apply(dmap.Commit{Number: 4, Trying: []dmap.Trial{item(1)}}, dmap.Commit{Number: 5, Begins: true})
	require.Equal(t, []int{2, 1}, []int{p.Trials[0].Deaths, p.Trials[1].Deaths}, "only who was in flight again")
	p.Apply(dmap.Commit{Number: 6, Trying: []dmap.Trial{item(3)}, Clean: true})
	p.Apply(dmap.Commit{Number: 7, Begins: true})
	require.Equal(t, 2, p.Trials[0].Deaths)
}
