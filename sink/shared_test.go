package sink_test

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lanes"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

// leased is the source of a lease: some parts of upTo.
type leased []dmap.Split

// String is the name of the source that the lease is a part of.
func (l leased) String() string { return "sink_test.upTo" }

func (l leased) Items(ctx context.Context) iter.Seq2[dmap.Item[int], error] {
	return upTo(0).Items(ctx)
}

func (l leased) Plan() dmap.Plan[int] {
	return dmap.Plan[int]{Read: upTo(0).Read, Splits: func(context.Context) iter.Seq2[dmap.Split, error] {
		return func(yield func(dmap.Split, error) bool) {
			for _, s := range l {
				if !yield(s, nil) {
					return
				}
			}
		}
	}}
}

// piece is a part of upTo.
func piece(from, to int64) dmap.Split {
	return dmap.Split{ID: "all", From: dmap.Cursor{Offset: from}, To: dmap.Cursor{Offset: to}}
}

// sharedSpec is the run of job.
func sharedSpec() dmap.RunSpec {
	return dmap.RunSpec{RunID: "r", Source: leased{}.String(), Started: time.Now(), Options: dmap.Options{RunID: "r"}}
}

// doubled is the function of job.
func doubled(calls *atomic.Int64) func(context.Context, int) (int, error) {
	return func(_ context.Context, i int) (int, error) {
		calls.Add(1)
		time.Sleep(10 * time.Millisecond)
		if i%10 == 3 {
			return 0, errBad
		}
		return 2 * i, nil
	}
}

// unsettledOf are the parts of a split that a run has not settled.
func unsettledOf(p journal.Progress, s dmap.Split) []dmap.Split {
	u := dmap.Unread{All: true}
	for _, v := range p.Settled {
		u.Settled = append(u.Settled, dmap.Split{ID: v.Split, From: dmap.Cursor(v.From), To: dmap.Cursor(v.To)})
	}
	return u.Remaining()(s)
}

// work runs an attempt at a lease.
func work(ctx context.Context, bucket *blob.Bucket, ref lease.Ref, calls *atomic.Int64, splits ...dmap.Split) (*sink.Lane[int], error) {
	lane := sink.Bucket[int](bucket, "out").Lane(lease.Lease{Ref: ref, Splits: splits})
	_, err := dmap.Map(ctx, leased(splits), doubled(calls), dmap.Options{
		RunID: "r", MaxConcurrency: 2, CommitEvery: 50 * time.Millisecond, DrainTimeout: time.Second, Tolerance: dmap.Tolerance{Percentage: 50},
	}, lane)
	return lane, err
}

func outcome(t *testing.T, lane *sink.Lane[int]) lanes.Outcome {
	t.Helper()
	o, err := lane.Outcome(t.Context())
	require.NoError(t, err)
	return o
}

// share begins an era, and join acts for one. finish ends the run.
func share(t *testing.T, bucket *blob.Bucket) *sink.Host[int] {
	t.Helper()
	h, ended, err := sink.Bucket[int](bucket, "out").BeginShared(t.Context(), sharedSpec(), lease.Starter{}, nil)
	require.NoError(t, err)
	require.Nil(t, ended)
	require.NoError(t, h.Close())
	return h
}

func join(t *testing.T, bucket *blob.Bucket, era int64) *sink.Host[int] {
	t.Helper()
	h, ended, err := sink.Bucket[int](bucket, "out").JoinShared(t.Context(), sharedSpec(), era)
	require.NoError(t, err)
	require.Nil(t, ended)
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func finish(t *testing.T, bucket *blob.Bucket, era int64) *dmap.Ending {
	t.Helper()
	end, err := join(t, bucket, era).Finish(t.Context(), dmap.Ending{Stats: dmap.Stats{Reason: "succeeded"}})
	require.NoError(t, err)
	return end
}

func TestLeasesOfARunGiveTheResultsOfOneMap(t *testing.T) {
	buckets(t, func(t *testing.T, inner *blob.Bucket) {
		synctest.Test(t, func(t *testing.T) {
			var calls atomic.Int64
			h := share(t, inner)
			var refs []lease.Ref
			for n := range int64(5) {
				ref := lease.Ref{Lease: n, Attempt: 1, Era: h.Era()}
				lane, err := work(t.Context(), inner, ref, &calls, piece(20*n, 20*n+10), piece(20*n+10, 20*n+20))
				require.NoError(t, err)
				end := outcome(t, lane)
				require.Empty(t, end.Rest)
				require.EqualValues(t, 20, end.Counts.Read)
				require.Len(t, end.Settled, 1)
				refs = append(refs, ref)
			}
			require.Zero(t, h.Progress().Counts.Read, "lanes count for nothing by themselves")
			one := join(t, inner, h.Era())
			require.NoError(t, one.Absorb(t.Context(), refs[:3], time.Minute))
			require.NoError(t, one.Absorb(t.Context(), refs[:2], time.Minute), "absorbed once")
			require.EqualValues(t, 60, one.Progress().Counts.Read)
			require.EqualValues(t, 3, one.NextLease())
			require.Equal(t, time.Minute, one.Progress().Counts.Elapsed)
			require.NoError(t, one.Close())

			end := finish(t, inner, h.Era())
			require.EqualValues(t, 100, end.Stats.Read)
			require.EqualValues(t, 100, calls.Load())
			exact(t, inner, 100)
			_, ended, err := sink.Bucket[int](inner, "out").JoinShared(t.Context(), sharedSpec(), h.Era())
			require.NoError(t, err)
			require.Equal(t, end, ended)
		})
	})
}

// An owner that dies is followed by one that processes nothing again that counts.
func TestTheNextAttemptContinuesALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := memory(t)
		h := share(t, inner)
		var calls, again atomic.Int64
		faults := dmaptest.NewFaultBucket(t, inner)
		dead := dying(faults, 60)
		ref := lease.Ref{Era: h.Era(), Attempt: 1}
		_, err := work(t.Context(), faults.Bucket, ref, &calls, piece(0, 100))
		require.True(t, dead())
		require.Error(t, err)

		ref.Attempt = 3 // nobody has begun the second one
		lane, err := work(t.Context(), inner, ref, &again, piece(0, 100))
		require.NoError(t, err)
		require.Less(t, again.Load(), int64(100))
		require.EqualValues(t, 100, outcome(t, lane).Counts.Read, "of all attempts")
		require.Empty(t, outcome(t, lane).Rest)

		for attempt := range 3 { // each is sealed
			_, err = work(t.Context(), inner, lease.Ref{Era: h.Era(), Attempt: attempt + 1}, &again, piece(0, 100))
			require.ErrorIs(t, err, dmap.ErrFenced)
		}
		require.NoError(t, join(t, inner, h.Era()).Absorb(t.Context(), []lease.Ref{ref}, 0))
		finish(t, inner, h.Era())
		exact(t, inner, 100)
	})
}

// An owner whose last record is stored, but who got an error, knows what it has settled.
func TestTheOutcomeOfALeaseIsWhatIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := memory(t)
		h := share(t, inner)
		faults := dmaptest.NewFaultBucket(t, inner)
		faults.Inject(dmaptest.Fault{Op: dmaptest.OpClose, Key: "/lanes/", Nth: 3, Kind: dmaptest.Lost, Sticky: true})
		faults.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Key: "/lanes/", Nth: 2, Sticky: true}) // it cannot read the record back, either
		lane, err := work(t.Context(), faults.Bucket, lease.Ref{Era: h.Era(), Attempt: 1}, new(atomic.Int64), piece(0, 100))
		require.Error(t, err)
		faults.Heal()
		end := outcome(t, lane)
		require.Less(t, end.Counts.Read, int64(100))
		_, err = work(t.Context(), inner, lease.Ref{Lease: 1, Era: h.Era(), Attempt: 1}, new(atomic.Int64), end.Rest...)
		require.NoError(t, err)
		finish(t, inner, h.Era())
		exact(t, inner, 100)
	})
}

// A worker that is asked to stop returns the rest of its lease, which other leases process.
func TestALeaseReturnsItsRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := memory(t)
		h := share(t, inner)
		var calls atomic.Int64
		ctx, cancel := context.WithTimeout(t.Context(), 210*time.Millisecond)
		defer cancel()
		lane, err := work(ctx, inner, lease.Ref{Era: h.Era(), Attempt: 1}, &calls, piece(0, 50), piece(50, 100))
		require.Error(t, err)
		end := outcome(t, lane)
		require.NotEmpty(t, end.Rest)
		require.Positive(t, end.Counts.Read)
		_, err = work(t.Context(), inner, lease.Ref{Lease: 1, Era: h.Era(), Attempt: 1}, &calls, end.Rest...)
		require.NoError(t, err)
		finish(t, inner, h.Era())
		exact(t, inner, 100)
	})
}

// A local Map takes a shared run over at any time, and a host takes it back.
func TestAMapTakesOverASharedRunAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := memory(t)
		var calls atomic.Int64
		h := share(t, inner)
		_, err := work(t.Context(), inner, lease.Ref{Era: h.Era(), Attempt: 1}, &calls, piece(0, 30))
		require.NoError(t, err)
		stalled := make(chan error)
		go func() {
			_, err := work(t.Context(), inner, lease.Ref{Lease: 1, Era: h.Era(), Attempt: 1}, &calls, piece(100, 200))
			stalled <- err
		}()
		time.Sleep(200 * time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		stats, err := job(ctx, inner, 200, &calls)
		require.ErrorIs(t, err, dmap.ErrOpen)
		require.ErrorIs(t, <-stalled, dmap.ErrFenced)
		require.Greater(t, stats.Read, int64(50), "with what the leases have settled")
		_, _, err = sink.Bucket[int](inner, "out").JoinShared(t.Context(), sharedSpec(), h.Era())
		require.ErrorIs(t, err, dmap.ErrFenced)
		require.ErrorContains(t, err, "dmap.Map")

		back := share(t, inner)
		p := back.Progress()
		require.GreaterOrEqual(t, p.Counts.Read, stats.Succeeded+stats.Failed)
		rest := unsettledOf(p, piece(0, 200))
		_, err = work(t.Context(), inner, lease.Ref{Lease: back.NextLease(), Era: back.Era(), Attempt: 1}, &calls, rest...)
		require.NoError(t, err)
		finish(t, inner, back.Era())
		exact(t, inner, 200)
	})
}

// Everybody may finish, and any number of times.
func TestARunIsFinishedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := memory(t)
		var calls atomic.Int64
		h := share(t, inner)
		_, err := work(t.Context(), inner, lease.Ref{Era: h.Era(), Attempt: 1}, &calls, piece(0, 100))
		require.NoError(t, err)
		var hosts []*sink.Host[int]
		for range 4 { // all of them before the first one finishes: it closes the era
			hosts = append(hosts, join(t, inner, h.Era()))
		}
		ends := make(chan *dmap.Ending, len(hosts))
		for _, host := range hosts {
			go func() {
				end, err := host.Finish(t.Context(), dmap.Ending{Stats: dmap.Stats{Reason: "succeeded"}})
				if err != nil {
					t.Error(err)
				}
				ends <- end
			}()
		}
		first := <-ends
		for range 3 {
			require.Equal(t, first, <-ends)
		}
		exact(t, inner, 100)
		_, err = work(t.Context(), inner, lease.Ref{Lease: 1, Era: h.Era(), Attempt: 1}, &calls, piece(0, 100))
		require.ErrorIs(t, err, dmap.ErrFenced, "the era is closed")
	})
}

func TestEndTakesInTheLeasesOfASharedRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := memory(t)
		var calls atomic.Int64
		h := share(t, inner)
		_, err := work(t.Context(), inner, lease.Ref{Era: h.Era(), Attempt: 1}, &calls, piece(0, 40))
		require.NoError(t, err)
		require.NoError(t, sink.End(t.Context(), inner, "out", "r"))
		m, err := results.Load(t.Context(), inner, "out", "r")
		require.NoError(t, err)
		require.Equal(t, results.Canceled, m.Status)
		require.EqualValues(t, 40, m.Stats.Read)
		require.EqualValues(t, 4, m.Stats.Failed)
		_, err = work(t.Context(), inner, lease.Ref{Lease: 1, Era: h.Era(), Attempt: 1}, &calls, piece(40, 50))
		require.ErrorIs(t, err, dmap.ErrFenced)

		_, err = dmap.Map(t.Context(), upTo(100), doubled(&calls), dmap.Options{ // a redrive processes the rest
			RunID: "r", MaxConcurrency: 2, Redrive: dmap.Redrive{Max: 1, Canceled: true}, Tolerance: dmap.Tolerance{Percentage: 50},
		}, sink.Bucket[int](inner, "out"))
		require.NoError(t, err)
		require.EqualValues(t, 104, calls.Load(), "four failures of the leases were taken")
		exact(t, inner, 100)
	})
}

// A Map that loses the race for its first record to the host says what to do.
func TestAMapThatLosesToAHostSaysSo(t *testing.T) {
	inner := memory(t)
	h := share(t, inner)
	_, err := work(t.Context(), inner, lease.Ref{Era: h.Era(), Attempt: 1}, new(atomic.Int64), piece(0, 10))
	require.NoError(t, err)
	faults := dmaptest.NewFaultBucket(t, inner)
	absorbed := false
	faults.Watch(func(c dmaptest.Call, ended bool) {
		if !ended && c.Op == dmaptest.OpCreate && !absorbed {
			absorbed = true
			if err := join(t, inner, h.Era()).Absorb(t.Context(), []lease.Ref{{Era: h.Era(), Attempt: 1}}, 0); err != nil {
				t.Error(err)
			}
		}
	})
	_, err = job(t.Context(), faults.Bucket, 20, new(atomic.Int64))
	require.True(t, absorbed)
	require.ErrorIs(t, err, dmap.ErrFenced)
	require.ErrorContains(t, err, "shares the run between machines")
	require.NotErrorIs(t, err, dmap.ErrOpen)
}

func TestWhatIsNoLeaseOfTheRunIsRefused(t *testing.T) {
	inner := memory(t)
	_, err := work(t.Context(), inner, lease.Ref{Attempt: 1}, new(atomic.Int64), piece(0, 10))
	require.ErrorIs(t, err, results.ErrNoRun)
	share(t, inner)
	for _, ref := range []lease.Ref{{Attempt: 0}, {Attempt: 1, Lease: -1}, {Attempt: 1, Lease: 1e7}, {Attempt: 1, Era: -1}} {
		_, err = work(t.Context(), inner, ref, new(atomic.Int64), piece(0, 10))
		require.ErrorContains(t, err, "out of range")
	}
	_, _, err = sink.Bucket[int](inner, "out", sink.BucketOptions{Inputs: sink.InputsAll}).JoinShared(t.Context(), sharedSpec(), 0)
	require.ErrorIs(t, err, dmap.ErrSpecChanged)
	_, _, err = sink.Bucket[int](inner, "out", sink.BucketOptions{Express: true}).BeginShared(t.Context(), sharedSpec(), lease.Starter{}, nil)
	require.ErrorContains(t, err, "Express")
	require.NotErrorIs(t, err, dmap.ErrFenced)
}

// Clean does not remove parts of leases that are not taken in yet.
func TestCleanLeavesTheLeasesOfASharedRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := memory(t)
		h := share(t, inner)
		_, err := work(t.Context(), inner, lease.Ref{Attempt: 1, Era: h.Era()}, new(atomic.Int64), piece(0, 100))
		require.NoError(t, err)
		_, err = results.Clean(t.Context(), inner, "out", "r", results.CleanOptions{Open: true})
		require.ErrorContains(t, err, "resume or end the run")
		finish(t, inner, h.Era())
		removed, err := results.Clean(t.Context(), inner, "out", "r")
		require.NoError(t, err)
		require.Empty(t, removed)
		exact(t, inner, 100)
	})
}

// Items that leases hold are decided, and run again, in a Map.
func TestHeldItemsOfLeasesAreReleasedByAMap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := memory(t)
		h := share(t, inner)
		hold := func(ctx context.Context, n int) (int, error) {
			if info, _ := dmap.InfoFrom(ctx); n%10 == 3 && info.Decision == nil {
				return 0, dmap.Hold("look at it")
			} else if n%10 == 3 {
				return 0, errBad
			}
			return 2 * n, nil
		}
		opts := dmap.Options{RunID: "r", Tolerance: dmap.Tolerance{Percentage: 50}}
		for n := range int64(2) {
			splits := []dmap.Split{piece(20*n, 20*n+20)}
			lane := sink.Bucket[int](inner, "out").Lane(lease.Lease{Ref: lease.Ref{Lease: n, Attempt: 1, Era: h.Era()}, Splits: splits})
			_, err := dmap.Map(t.Context(), leased(splits), hold, opts, lane)
			var held *dmap.HeldError
			require.ErrorAs(t, err, &held)
			require.Empty(t, outcome(t, lane).Rest, "a hold settles the item in the journal")
			require.EqualValues(t, 2, outcome(t, lane).Counts.Held)
		}
		require.NoError(t, join(t, inner, h.Era()).Absorb(t.Context(), []lease.Ref{{Attempt: 1, Era: h.Era()}, {Lease: 1, Attempt: 1, Era: h.Era()}}, 0))
		for _, n := range []int{3, 13, 23} {
			require.NoError(t, results.Approve(t.Context(), inner, "out", "r", results.Verdict{}, fmt.Sprintf("n@%d", n)))
		}
		_, err := dmap.Map(t.Context(), upTo(40), hold, opts, sink.Bucket[int](inner, "out"))
		var held *dmap.HeldError
		require.ErrorAs(t, err, &held)
		require.EqualValues(t, 1, held.Held)
		require.NoError(t, results.Approve(t.Context(), inner, "out", "r", results.Verdict{}, "n@33"))
		_, err = dmap.Map(t.Context(), upTo(40), hold, opts, sink.Bucket[int](inner, "out"))
		require.NoError(t, err)
		exact(t, inner, 40)
	})
}
