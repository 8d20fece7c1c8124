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

// die runs a job whose item 70 takes the process down: at that moment nothing more reaches the
// journal, as after a kill. The source is one piece, read in order, so that item 70 comes while the
// run is still careful.
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
	opts := dmap.Options{RunID: "r", MaxConcurrency: 10, CommitEvery: 50 * time.Millisecond, Tolerance: dmap.Tolerance{Count: 1}, PoisonAfter: poisonAfter}
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
		}, opts, dmap.Sink[int](&page{}), &got, d)
	} else {
		_, err = dmap.Map(ctx, pieces{200, 200}, call, opts, dmap.Sink[int](&page{}), &got, d)
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

func TestAnItemThatCrashesTheProcessIsQuarantinedAfterThreeRecordedCrashes(t *testing.T) {
	for _, inBatches := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var d diary
			crashes := 0
			for {
				survived, failed := die(t, &d, inBatches, 0)
				if !survived {
					crashes++
					require.Less(t, crashes, 6)
					continue
				}
				require.Len(t, failed, 1, "nobody else is blamed")
				require.EqualValues(t, 70, failed[0].Offset)
				var poison *dmap.PoisonError
				require.ErrorAs(t, failed[0].Err, &poison)
				require.Equal(t, 3, poison.Crashes)
				require.Equal(t, "poison", dmap.Class(failed[0].Err))
				break
			}
			require.Equal(t, 4, crashes, "batches %v: the first crash has no record: nothing is announced before a run is resumed", inBatches)
			require.Len(t, d.counted(t), 200)
		})
	}
}

func TestWithNegativePoisonAfterNoItemIsQuarantined(t *testing.T) {
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

func TestASuspendedRunLeavesNoSuspects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		opts := dmap.Options{RunID: "r", MaxConcurrency: 10, CommitEvery: 50 * time.Millisecond, DrainTimeout: time.Millisecond}
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
			}, opts, &page{}, &d)
			require.ErrorIs(t, err, dmap.ErrSuspended)
			cancel(nil)
		}
		for _, c := range d.commits {
			require.Empty(t, c.Trying)
		}
		stats, err := dmap.Map(t.Context(), numbers(20), double, opts, &page{}, &d)
		require.NoError(t, err)
		require.EqualValues(t, 20, stats.Succeeded)
	})
}
