package dmap_test

import (
	"bytes"
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
)

// endless is a source of a million ints of size bytes each, which counts those that were read.
func endless(size int64, read *atomic.Int64) dmap.Source[int] {
	return items(func(_ context.Context, yield func(dmap.Item[int], error) bool) {
		for i := range 1_000_000 {
			read.Add(1)
			if !yield(dmap.Item[int]{Offset: int64(i), Value: i, Size: size}, nil) {
				return
			}
		}
	})
}

// hourly retries each item once, after an hour.
func hourly(concurrency int) dmap.Options {
	return dmap.Options{
		MaxConcurrency: concurrency,
		Retry:          dmap.Retry{MaxAttempts: 2, Initial: time.Hour, Max: time.Hour, NoJitter: true},
	}
}

func fail(context.Context, int) (int, error) { return 0, errBoom }

func failAll(context.Context, []dmap.Item[int]) ([]int, error) { return nil, errBoom }

// Overload that rejects everything fills the bound; it takes no slot, and reading pauses there.
func TestReadingPausesAtTheBoundOfWaitingRetries(t *testing.T) {
	many := batch.Limits{Items: 400}
	for name, c := range map[string]struct {
		concurrency int
		size        int64
		limits      batch.Limits // of MapBatch; zero: Map
		bound       int          // items
		slack       int          // items that may be in flight when the bound is reached
	}{
		"items":          {concurrency: 10, bound: 10_000, slack: 10 * 64},
		"16 for a slot":  {concurrency: 1000, bound: 16_000, slack: 1000 * 64},
		"bytes":          {concurrency: 10, size: 1 << 20, bound: 256, slack: 10 * 64},
		"batches":        {concurrency: 10, limits: many, bound: 16 * 10 * 400, slack: 10 * 400},
		"bytes, batches": {concurrency: 10, size: 1 << 17, limits: many, bound: 2048, slack: 10 * 400},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var read atomic.Int64
				var log bytes.Buffer
				opts := hourly(c.concurrency)
				opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
				var run *dmap.Run
				var err error
				if c.limits.Items == 0 {
					run, err = dmap.Start(t.Context(), endless(c.size, &read), fail, opts)
				} else {
					run, err = dmap.StartBatch(t.Context(), endless(c.size, &read), c.limits, failAll, opts)
				}
				require.NoError(t, err)
				synctest.Wait()
				s := run.Stats()
				require.GreaterOrEqual(t, s.Waiting, c.bound*99/100)
				require.LessOrEqual(t, s.Waiting, c.bound+c.slack)
				require.True(t, s.ReadingPaused)
				require.Zero(t, s.InFlight)
				require.Positive(t, s.Queued)
				require.EqualValues(t, s.Pending, s.Waiting+s.Queued, "honest counts")
				require.Less(t, int(read.Load()), s.Waiting+20_000, "the queue is full, too")
				run.Cancel(nil)
				stats, err := run.Wait()
				require.ErrorIs(t, err, dmap.ErrCanceled)
				require.Zero(t, stats.Failed, "waiting for a retry is not failed")
				require.Equal(t, stats.Read, stats.Pending)
				require.Zero(t, stats.Waiting, "nothing waits in a run that has ended")
				require.Equal(t, 1, bytes.Count(log.Bytes(), []byte("reading pauses")), log.String())
			})
		})
	}
}

func TestReadingResumesWhenRetriesHaveStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, err := dmap.Start(t.Context(), numbers(30_000), func(ctx context.Context, i int) (int, error) {
			if info, _ := dmap.InfoFrom(ctx); info.Attempt == 1 {
				return 0, errBoom
			}
			return i, nil
		}, hourly(10))
		require.NoError(t, err)
		synctest.Wait()
		require.True(t, run.Stats().ReadingPaused)
		stats, err := run.Wait()
		require.NoError(t, err)
		require.EqualValues(t, 30_000, stats.Succeeded)
		require.EqualValues(t, 30_000, stats.Retries)
		require.False(t, stats.ReadingPaused)
	})
}

// When the source has ended no reading is paused, whatever waits.
func TestReadingOfASourceThatHasEndedIsNotPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, err := dmap.Start(t.Context(), numbers(10_000), fail, hourly(10))
		require.NoError(t, err)
		synctest.Wait()
		s := run.Stats()
		require.Equal(t, 10_000, s.Waiting)
		require.False(t, s.ReadingPaused)
		run.Cancel(nil)
		_, err = run.Wait()
		require.ErrorIs(t, err, dmap.ErrCanceled)
	})
}

// One item of each batch is rejected and asks for a long wait: the others must not wait for it.
func TestBatchesDoNotStandStillWhileRetriesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, err := dmap.StartBatch(t.Context(), numbers(400*300), batch.Limits{Items: 400}, func(ctx context.Context, in []dmap.Item[int]) ([]int, error) {
			time.Sleep(100 * time.Millisecond)
			if info, _ := dmap.InfoFrom(ctx); info.Attempt == 1 {
				return make([]int, len(in)), batch.Errors{7: dmap.RetryAfter(errBoom, time.Hour)}
			}
			return make([]int, len(in)), nil
		}, dmap.Options{MaxConcurrency: 10, Retry: dmap.Retry{MaxAttempts: 2}})
		require.NoError(t, err)
		time.Sleep(3*time.Second + time.Millisecond) // 300 batches, 10 at once
		s := run.Stats()
		require.EqualValues(t, 399*300, s.Succeeded)
		require.Equal(t, 300, s.Waiting)
		require.Zero(t, s.InFlight)
		require.False(t, s.ReadingPaused)
		stats, err := run.Wait()
		require.NoError(t, err)
		require.EqualValues(t, 400*300, stats.Succeeded)
	})
}
