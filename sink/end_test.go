package sink_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

// requireEnded checks that the run "r" of n numbers was ended by End: its records are those that
// its Stats count, each once, and together with the unread part of the source they are all numbers.
func requireEnded(t *testing.T, bucket *blob.Bucket, n int) *results.Run {
	t.Helper()
	r, err := results.Load(t.Context(), bucket, "out", "r")
	require.NoError(t, err)
	require.Equal(t, results.Canceled, r.Status)
	require.Equal(t, dmap.StateEnded, r.Stats.State)
	require.Equal(t, "end", r.Stats.Reason)
	require.Contains(t, r.Error, "sink.End")
	seen := make([]int, n)
	ok := collect(t, results.Successes[int](t.Context(), bucket, r))
	bad := collect(t, results.Failures(t.Context(), bucket, r))
	require.Len(t, ok, int(r.Stats.Succeeded))
	require.Len(t, bad, int(r.Stats.Failed))
	requireGrouped(t, bucket)
	for _, s := range ok {
		seen[s.Offset]++
	}
	for _, f := range bad {
		seen[f.Offset]++
	}
	for s, err := range dmap.PlanOf[int](upTo(n)).Splits(t.Context()) {
		require.NoError(t, err)
		for _, piece := range r.Unread.Remaining()(s) {
			to := int64(n)
			if piece.To != (dmap.Cursor{}) {
				to = piece.To.Offset
			}
			for i := piece.From.Offset; i < to; i++ {
				seen[i]++
			}
		}
	}
	for i, times := range seen {
		require.Equal(t, 1, times, "number %d", i)
	}
	return r
}

func TestEndEndsARunThatWasSuspended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := memory(t)
		suspended(t, bucket, 300)
		suspended(t, bucket, 300)
		require.NoError(t, sink.End(t.Context(), bucket, "out", "r"))
		r := requireEnded(t, bucket, 300)
		require.Positive(t, r.Stats.Succeeded)
		require.Positive(t, r.Stats.Failed)
		before := keys(t, bucket)
		require.NoError(t, sink.End(t.Context(), bucket, "out", "r"), "it has ended")
		require.Equal(t, before, keys(t, bucket))

		var calls atomic.Int64
		stats, err := job(t.Context(), bucket, 300, &calls)
		require.ErrorIs(t, err, dmap.ErrEnded)
		require.ErrorIs(t, err, dmap.ErrCanceled)
		require.NotErrorIs(t, err, dmap.ErrOpen)
		require.True(t, stats.EndedBefore)
		require.Equal(t, "end", stats.Reason)
		require.Equal(t, r.Stats.Succeeded, stats.Succeeded)
		require.Zero(t, calls.Load())
	})
}

// A runner that works is fenced: nothing of what it does later counts.
func TestEndFencesARunThatWorks(t *testing.T) {
	buckets(t, func(t *testing.T, bucket *blob.Bucket) {
		var once sync.Once
		half := make(chan struct{})
		goOn := make(chan struct{})
		run, err := dmap.Start(t.Context(), upTo(300), func(_ context.Context, i int) (int, error) {
			if i == 150 {
				once.Do(func() { close(half) })
				<-goOn
			}
			return 2 * i, nil
		}, dmap.Options{RunID: "r", MaxConcurrency: 2, CommitEvery: time.Millisecond}, sink.Bucket[int](bucket, "out"))
		require.NoError(t, err)
		<-half
		require.NoError(t, sink.End(t.Context(), bucket, "out", "r"))
		last := commits(t, bucket)
		close(goOn)
		stats, err := run.Wait()
		require.Equal(t, last, commits(t, bucket), "no commit follows that of End")
		require.ErrorIs(t, err, dmap.ErrFenced)
		require.NotErrorIs(t, err, dmap.ErrOpen)
		require.Equal(t, 76, dmap.ExitCode(err))
		require.Equal(t, "fenced", stats.Reason)
		r := requireEnded(t, bucket, 300)
		require.LessOrEqual(t, r.Stats.Succeeded, stats.Succeeded)
	})
}

func TestEndAtAnyMomentLeavesEachNumberOnce(t *testing.T) {
	for wait := range 40 {
		synctest.Test(t, func(t *testing.T) {
			bucket := memory(t)
			var calls atomic.Int64
			done := make(chan error, 1)
			go func() {
				_, err := job(t.Context(), bucket, 100, &calls)
				done <- err
			}()
			time.Sleep(time.Duration(wait*15) * time.Millisecond)
			synctest.Wait()
			require.NoError(t, sink.End(t.Context(), bucket, "out", "r"))
			err := <-done
			r, loadErr := results.Load(t.Context(), bucket, "out", "r")
			require.NoError(t, loadErr)
			if r.Status == results.Succeeded {
				require.NoError(t, err)
				exact(t, bucket, 100)
				return
			}
			require.ErrorIs(t, err, dmap.ErrFenced)
			requireEnded(t, bucket, 100)
		})
	}
}

func TestEndThatBreaksAtAnyWriteCanBeCalledAgain(t *testing.T) {
	for _, kind := range []dmaptest.Kind{dmaptest.Fail, dmaptest.Lost} {
		for nth := range 4 {
			synctest.Test(t, func(t *testing.T) {
				bucket := memory(t)
				suspended(t, bucket, 200)
				faults := dmaptest.NewFaultBucket(t, bucket)
				faults.Inject(dmaptest.Fault{Op: dmaptest.OpClose, Nth: nth + 1, Kind: kind})
				if err := sink.End(t.Context(), faults.Bucket, "out", "r"); err != nil {
					require.ErrorContains(t, err, `run "r"`)
					requireOpen(t, bucket)
				}
				require.NoError(t, sink.End(t.Context(), bucket, "out", "r"))
				requireEnded(t, bucket, 200)
			})
		}
	}
}

func TestEndOfARunThatCannotBeEndedSaysWhy(t *testing.T) {
	bucket := memory(t)
	err := sink.End(t.Context(), bucket, "out", "r")
	require.ErrorIs(t, err, results.ErrNoRun)
	require.ErrorContains(t, err, "out/r/run.json")
	require.ErrorContains(t, sink.End(t.Context(), bucket, "a//b", "r"), "prefix")
	require.ErrorContains(t, sink.End(t.Context(), bucket, "out", "../r"), "run ID")
	require.ErrorContains(t, sink.End(t.Context(), nil, "out", "r"), "nil")
	require.NoError(t, sink.Bucket[int](bucket, "out", sink.BucketOptions{Express: true}).Begin(t.Context(), dmap.RunSpec{RunID: "r"}))
	require.ErrorContains(t, sink.End(t.Context(), bucket, "out", "r"), "Express")
}

func TestEndLeavesAnEndedRunAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := memory(t)
		var calls atomic.Int64
		_, err := job(t.Context(), bucket, 30, &calls)
		require.NoError(t, err)
		before := fmt.Sprint(keys(t, bucket))
		require.NoError(t, sink.End(t.Context(), bucket, "out", "r"))
		require.Equal(t, before, fmt.Sprint(keys(t, bucket)))
		exact(t, bucket, 30)
	})
}

func TestEndWithoutAContextOrABucketIsAnError(t *testing.T) {
	var none context.Context
	require.ErrorContains(t, sink.End(none, memory(t), "out", "r"), "the context is nil")
	require.ErrorContains(t, sink.End(t.Context(), nil, "out", "r"), "bucket is nil")
}
