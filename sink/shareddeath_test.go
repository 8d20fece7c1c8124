package sink_test

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	journals "github.com/go-dmap/dmap/internal/commits"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

// sharedSteps are what one process does with a shared run in which two leases are under way: lease
// 0 has settled a part and its owner is gone, lease 1 has ended. Each step may die at any operation
// of the bucket.
var sharedSteps = map[string]func(t *testing.T, bucket *blob.Bucket, era int64) error{
	"begin": func(t *testing.T, bucket *blob.Bucket, _ int64) error {
		h, _, err := sink.Bucket[int](bucket, "out").BeginShared(t.Context(), sharedSpec(), lease.Starter{}, nil)
		if err == nil {
			err = h.Close()
		}
		return err
	},
	"open, commit, final and seal": func(t *testing.T, bucket *blob.Bucket, era int64) error {
		lane, err := work(t.Context(), bucket, lease.Ref{Attempt: 2, Era: era}, new(atomic.Int64), piece(0, 60))
		if err == nil {
			_, err = lane.Outcome(t.Context())
		}
		return err
	},
	"absorb": func(t *testing.T, bucket *blob.Bucket, era int64) error {
		return act(t, bucket, era, func(h *sink.Host[int]) error {
			return h.Absorb(t.Context(), []lease.Ref{{Attempt: 2, Era: era}, {Lease: 1, Attempt: 1, Era: era}}, time.Second)
		})
	},
	"finish": func(t *testing.T, bucket *blob.Bucket, era int64) error {
		return act(t, bucket, era, func(h *sink.Host[int]) error {
			_, err := h.Finish(t.Context(), dmap.Ending{
				Err: dmap.ErrCanceled, Stats: dmap.Stats{Reason: "canceled"}, Unread: dmap.Unread{All: true},
			})
			return err
		})
	},
	"end": func(t *testing.T, bucket *blob.Bucket, _ int64) error {
		return sink.End(t.Context(), bucket, "out", "r")
	},
	"take over": func(t *testing.T, bucket *blob.Bucket, _ int64) error {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, err := job(ctx, bucket, 100, new(atomic.Int64))
		return err
	},
}

// act does a step of a host.
func act(t *testing.T, bucket *blob.Bucket, era int64, step func(*sink.Host[int]) error) error {
	h, ended, err := sink.Bucket[int](bucket, "out").JoinShared(t.Context(), sharedSpec(), era)
	if err != nil || ended != nil {
		return err
	}
	defer h.Close()
	return step(h)
}

// A process that dies at any operation of any step is followed by one that ends the run with each
// item once.
func TestASharedRunSurvivesADeathAtEachOperation(t *testing.T) {
	for name, step := range sharedSteps {
		t.Run(name, func(t *testing.T) {
			stride := int64(testsize.Sizes{Short: 9, Race: 40, Usual: 3, Long: 1}.Step())
			n := 1 + rand.Int64N(stride)
			for died := true; died; n += stride {
				synctest.Test(t, func(t *testing.T) { died = diesInAStep(t, step, n) })
			}
			require.Greater(t, n, int64(10))
			t.Logf("%d operations", n)
		})
	}
}

func diesInAStep(t *testing.T, step func(*testing.T, *blob.Bucket, int64) error, n int64) (died bool) {
	inner := memory(t)
	h := share(t, inner)
	first := dmaptest.NewFaultBucket(t, inner)
	dead := dying(first, 60)
	_, err := work(t.Context(), first.Bucket, lease.Ref{Attempt: 1, Era: h.Era()}, new(atomic.Int64), piece(0, 60))
	require.Error(t, err)
	require.True(t, dead())
	_, err = work(t.Context(), inner, lease.Ref{Lease: 1, Attempt: 1, Era: h.Era()}, new(atomic.Int64), piece(60, 80))
	require.NoError(t, err)

	faults := dmaptest.NewFaultBucket(t, inner)
	dead = dying(faults, n)
	err = step(t, faults.Bucket, h.Era())
	if died = dead(); died && err == nil {
		t.Log("operation", n, "is not needed")
	}
	if n%2 == 0 { // it is tried again, as by a host whose activity has failed
		_ = step(t, inner, h.Era())
	}
	var calls atomic.Int64
	_, err = dmap.Map(t.Context(), upTo(100), doubled(&calls), dmap.Options{
		RunID: "r", MaxConcurrency: 2, Redrive: dmap.Redrive{Max: 1, Canceled: true}, Tolerance: dmap.Tolerance{Percentage: 50},
	}, sink.Bucket[int](inner, "out"))
	require.NoError(t, err)
	require.LessOrEqual(t, calls.Load(), int64(90))
	exactRecords(t, inner, 100)
	return died
}

// An owner that stalls just before its first record, or just after it, while a Map takes the run
// over, calls nothing: the owner finds the new era, or the Map finds the lane.
func TestAnOwnerThatStallsAtItsFirstRecordIsFenced(t *testing.T) {
	for _, after := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			inner := memory(t)
			h := share(t, inner)
			faults := dmaptest.NewFaultBucket(t, inner)
			var stalled atomic.Bool
			faults.Watch(func(c dmaptest.Call, ended bool) {
				if c.Op != dmaptest.OpClose || ended != after || stalled.Swap(true) {
					return
				}
				_, err := job(t.Context(), inner, 50, new(atomic.Int64))
				if err != nil {
					t.Error(err)
				}
			})
			var calls atomic.Int64
			lane, err := work(t.Context(), faults.Bucket, lease.Ref{Attempt: 1, Era: h.Era()}, &calls, piece(0, 50))
			require.True(t, stalled.Load())
			require.ErrorIs(t, err, dmap.ErrFenced)
			require.Zero(t, calls.Load())
			require.Empty(t, outcome(t, lane).Settled)
			exact(t, inner, 50)
		})
	}
}

// Opening a lane takes the same requests in a run of many leases, and so does taking over a run in
// which all but a few are absorbed.
func TestOpeningALaneTakesAsManyRequestsAfterManyLeases(t *testing.T) {
	requests := func(leases int64) (open, takeOver int) {
		synctest.Test(t, func(t *testing.T) {
			inner := memory(t)
			h := share(t, inner)
			host := join(t, inner, h.Era())
			var refs []lease.Ref
			for n := range leases {
				ref := lease.Ref{Lease: n, Attempt: 1, Era: h.Era()}
				_, err := work(t.Context(), inner, ref, new(atomic.Int64), piece(2*n, 2*n+2))
				require.NoError(t, err)
				if refs = append(refs, ref); n < leases-3 {
					require.NoError(t, host.Absorb(t.Context(), refs, 0))
				}
			}
			count := func(step func(*blob.Bucket)) int {
				faults := dmaptest.NewFaultBucket(t, inner)
				var all atomic.Int64
				faults.Watch(func(c dmaptest.Call, ended bool) {
					if ended && (c.Op == dmaptest.OpList || c.Op == dmaptest.OpOpen || c.Op == dmaptest.OpAttributes || c.Op == dmaptest.OpCreate) {
						all.Add(1)
					}
				})
				step(faults.Bucket)
				return int(all.Load())
			}
			open = count(func(bucket *blob.Bucket) {
				ref := lease.Ref{Lease: leases, Attempt: 1, Era: h.Era()}
				_, err := work(t.Context(), bucket, ref, new(atomic.Int64), piece(2*leases, 2*leases+2))
				require.NoError(t, err)
			})
			takeOver = count(func(bucket *blob.Bucket) {
				_, err := job(t.Context(), bucket, int(2*leases), new(atomic.Int64))
				require.NoError(t, err)
			})
		})
		return open, takeOver
	}
	few, fewTaken := requests(10)
	many, manyTaken := requests(int64(testsize.Sizes{Race: 40, Usual: 200}.Now()))
	t.Logf("a lease takes %d requests, a take-over %d; of many leases %d and %d", few, fewTaken, many, manyTaken)
	require.Equal(t, few, many)
	require.LessOrEqual(t, manyTaken, fewTaken+20, "records of the run are compacted by 16")
}

// End that loses the race for its record to a runner, or to a host, reads the new records and tries
// again.
func TestEndThatLosesARaceTriesAgain(t *testing.T) {
	for _, shared := range []bool{false, true} {
		inner := memory(t)
		_, err := job(timeout(t, 100*time.Millisecond), inner, 100, new(atomic.Int64))
		require.ErrorIs(t, err, dmap.ErrOpen)
		if shared {
			share(t, inner)
		}
		faults := dmaptest.NewFaultBucket(t, inner)
		raced := false
		faults.Watch(func(c dmaptest.Call, ended bool) {
			if ended || c.Op != dmaptest.OpCreate || raced {
				return
			}
			raced = true
			log, err := journals.Open(t.Context(), inner, "out/r/commits/", "W")
			if err == nil {
				err = log.Append(t.Context(), journal.Commit{Number: log.State.Next()}, journals.Extra{})
			}
			if err != nil {
				t.Error(err)
			}
		})
		require.NoError(t, sink.End(t.Context(), faults.Bucket, "out", "r"))
		require.True(t, raced)
		m, err := results.Load(t.Context(), inner, "out", "r")
		require.NoError(t, err)
		require.Equal(t, results.Canceled, m.Status)
	}
}

func timeout(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
