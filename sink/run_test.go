package sink_test

import (
	"context"
	"errors"
	"iter"
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
)

// upTo is a source of the numbers below n.
type upTo int

func (n upTo) Items(ctx context.Context) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		for i := range int(n) {
			if !yield(dmap.Item[int]{Key: "n", Offset: int64(i), Value: i, Next: dmap.Cursor{Offset: int64(i + 1)}}, ctx.Err()) {
				return
			}
		}
	}
}

// balanced reads the manifest of the run "r" and checks that its parts hold what its Stats say.
func balanced(t *testing.T, bucket *dmaptest.FaultBucket) *results.Run {
	t.Helper()
	m, err := results.Load(context.Background(), bucket.Bucket, "out", "r")
	require.NoError(t, err)
	var lost int64
	for _, l := range m.Lost {
		lost += l.Records
	}
	s := m.Stats
	require.Equal(t, s.Read, s.Succeeded+s.Failed+s.Skipped+s.Pending)
	seen := map[string]bool{}
	for _, r := range collect(t, results.Successes[int](context.Background(), bucket.Bucket, m)) {
		require.False(t, seen[r.ID], r.ID)
		seen[r.ID] = true
	}
	for _, r := range collect(t, results.Failures(context.Background(), bucket.Bucket, m)) {
		require.False(t, seen[r.ID], r.ID)
		seen[r.ID] = true
	}
	for _, r := range collect(t, results.Pending(context.Background(), bucket.Bucket, m)) {
		require.False(t, seen[r.ID], r.ID)
		seen[r.ID] = true
	}
	require.Equal(t, s.Read-s.Skipped, int64(len(seen))+lost)
	return m
}

// The memory of chunks is used again: what a commit counts is not.
func TestCommitsCountEachCallOnce(t *testing.T) {
	bucket := memory(t)
	const n = 5_000
	var calls atomic.Int64
	stats, err := dmap.Map(t.Context(), upTo(n), func(_ context.Context, i int) (int, error) {
		if calls.Add(1)%100 == 0 {
			return 0, dmap.RetryAfter(errors.New("busy"), time.Microsecond)
		}
		return i, nil
	}, dmap.Options{RunID: "r", MaxConcurrency: 4, CommitEvery: 10 * time.Millisecond, Retry: dmap.Retry{MaxAttempts: 10}}, sink.Bucket[int](bucket, "out"))
	require.NoError(t, err)
	records, err := runfolder.LoadCommits(t.Context(), bucket, "out/r/")
	require.NoError(t, err)
	var counted, retries int64
	for _, r := range records {
		counted += r.Counts.Calls
		retries += r.Counts.Retries
	}
	require.Equal(t, calls.Load(), counted)
	require.Equal(t, []int64{counted, retries}, []int64{stats.Calls, stats.Retries})
	require.Equal(t, counted, n+retries)
}

func TestARunWithThousandCallsAtOnceIsRecordedOnce(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, memory(t))
	const n = 20_000
	stats, err := dmap.Map(t.Context(), upTo(n), func(_ context.Context, i int) (int, error) {
		if i%100 == 0 {
			return 0, errors.New("hundred")
		}
		return i, nil
	}, dmap.Options{RunID: "r", MaxConcurrency: 1000, Tolerance: dmap.Tolerance{Percentage: 5}},
		sink.Bucket[int](bucket.Bucket, "out", sink.BucketOptions{PartBytes: 64 << 10}))
	require.NoError(t, err)
	m := balanced(t, bucket)
	require.Equal(t, results.Succeeded, m.Status)
	require.Equal(t, stats.Succeeded, m.Stats.Succeeded)
	require.EqualValues(t, n/100, m.Stats.Failed)
}

func TestACanceledRunSavesItsResultsAndItsStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := dmaptest.NewFaultBucket(t, memory(t))
		why := errors.New("deploy")
		var run *dmap.Run
		started := make(chan struct{})
		run, err := dmap.Start(t.Context(), upTo(1000), func(ctx context.Context, i int) (int, error) {
			if i == 50 {
				<-started
				run.Cancel(why)
			}
			timer := time.NewTimer(time.Second)
			defer timer.Stop()
			select {
			case <-timer.C:
				return i, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}, dmap.Options{RunID: "r", MaxConcurrency: 10}, sink.Bucket[int](bucket.Bucket, "out"))
		close(started)
		require.NoError(t, err)
		_, err = run.Wait()
		require.ErrorIs(t, err, why)
		require.ErrorIs(t, err, dmap.ErrCanceled)
		m := balanced(t, bucket)
		require.Equal(t, results.Canceled, m.Status)
		require.Contains(t, m.Error, "deploy")
		require.NotEmpty(t, m.PendingParts)
		require.NotEmpty(t, m.SucceededParts)
	})
}

func TestTheEndOfTheContextLeavesTheRunOpenInItsFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := memory(t)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		run := func(ctx context.Context) (dmap.Stats, error) {
			return dmap.Map(ctx, upTo(100), func(ctx context.Context, i int) (int, error) {
				select {
				case <-time.After(time.Second):
					return i, nil
				case <-ctx.Done():
					return 0, ctx.Err()
				}
			}, dmap.Options{RunID: "r", MaxConcurrency: 3}, sink.Bucket[int](bucket, "out"))
		}
		stats, err := run(ctx)
		require.ErrorIs(t, err, dmap.ErrOpen)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, dmap.StateOpen, stats.State)
		requireOpen(t, bucket)
		again, err := run(t.Context())
		require.NoError(t, err)
		require.True(t, again.Resumed)
		require.EqualValues(t, 100, again.Succeeded)
		m, err := results.Load(t.Context(), bucket, "out", "r")
		require.NoError(t, err)
		require.Equal(t, dmap.StateEnded, m.Stats.State)
		require.Equal(t, "succeeded", m.Stats.Reason)
		once, err := run(t.Context())
		require.NoError(t, err)
		require.True(t, once.EndedBefore)
		require.Equal(t, dmap.StateEnded, once.State)
		require.Equal(t, "succeeded", once.Reason)
	})
}

func TestAContextThatHasEndedCreatesNothing(t *testing.T) {
	buckets(t, func(t *testing.T, bucket *blob.Bucket) {
		for _, opts := range []sink.BucketOptions{{}, {Express: true}} {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errBad)
			_, err := dmap.Map(ctx, upTo(5), func(context.Context, int) (int, error) { return 0, nil },
				dmap.Options{RunID: "r"}, sink.Bucket[int](bucket, "out", opts))
			require.ErrorIs(t, err, errBad)
			require.Equal(t, !opts.Express, errors.Is(err, dmap.ErrOpen), "the same call begins it")
			require.Empty(t, keys(t, bucket))
		}
	})
}

func TestARunWhoseResultsCannotBeWrittenFailsAndListsTheLosses(t *testing.T) {
	for _, kind := range []dmaptest.Kind{dmaptest.Fail, dmaptest.Stall} {
		synctest.Test(t, func(t *testing.T) {
			bucket := dmaptest.NewFaultBucket(t, memory(t))
			bucket.Inject(dmaptest.Fault{Op: dmaptest.OpClose, Key: "SUCCEEDED", Nth: 3, Sticky: true, Kind: kind})
			_, err := dmap.Map(t.Context(), upTo(5000), func(_ context.Context, i int) (int, error) { return i, nil },
				dmap.Options{RunID: "r", MaxConcurrency: 10, DrainTimeout: time.Minute},
				sink.Bucket[int](bucket.Bucket, "out", sink.BucketOptions{PartBytes: 8 << 10, Express: true}))
			lost, ok := errors.AsType[*sink.LostError](err)
			require.True(t, ok, "%v", err)
			require.Contains(t, lost.Part, "out/r/SUCCEEDED_")
			require.NotEmpty(t, lost.First)
			require.ErrorContains(t, err, lost.Part)
			m := balanced(t, bucket)
			require.Equal(t, results.Failed, m.Status)
			require.NotEmpty(t, m.Lost)
		})
	}
}
