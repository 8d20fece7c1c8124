package leaserun_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/leaserun"
)

// shed is a message, and the time that had passed before it.
type shed struct {
	lease.Shed
	at time.Duration
}

// shedding runs a lease that gives back what it can.
func shedding(t *testing.T, s *store, call func(i int) time.Duration, src numbers, l lease.Lease) (sheds []shed, report lease.Report) {
	t.Helper()
	began := time.Now()
	j := job(src, func(_ context.Context, i int) (int, error) {
		time.Sleep(call(i))
		return i, nil
	})
	control := new(leaserun.Control)
	shedder := leaserun.Shed(nil, l, control, func(m lease.Shed) { sheds = append(sheds, shed{m, time.Since(began)}) })
	report, err := leaserun.Run(t.Context(), j, l, newLane[int](s, l.Ref), control)
	shedder.End(&report, err == nil)
	require.NoError(t, err)
	return sheds, report
}

func parts(n, each int) (out []dmap.Split) {
	for from := 0; from < n; from += each {
		out = append(out, dmap.Split{ID: "0", From: dmap.Cursor{Offset: int64(from)}, To: dmap.Cursor{Offset: int64(from + each)}})
	}
	return out
}

// The first call takes an hour. The splits that its lease does not read are given back long before,
// and are exactly those of its report.
func TestALeaseGivesBackItsRestWhileItsCallsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		l := lease.Lease{Splits: parts(10_000, 1000), Slots: 4, Rest: 32, Time: 8 * time.Second}
		slow := func(i int) time.Duration {
			if i == 0 {
				return time.Hour
			}
			return time.Second
		}
		sheds, report := shedding(t, new(store), slow, numbers{n: 10_000, each: 10_000}, l)
		require.Len(t, sheds, 2, "the splits, and the slots later")
		require.Less(t, sheds[1].at, 20*time.Second)
		require.Equal(t, report.Rest, sheds[0].Rest)
		require.EqualValues(t, 10_000, items(sheds[0].Rest)+report.Counts.Read)
		require.Empty(t, sheds[1].Rest)
		require.Equal(t, 1, sheds[1].Calls)
		require.Equal(t, time.Hour, time.Since(began).Truncate(time.Hour))
	})
}

// The second attempt settles nothing again, and gives back nothing that the first one has settled.
func TestASecondAttemptGivesBackItsRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s store
		l := lease.Lease{Splits: parts(1000, 100), Slots: 4, Rest: 32, Time: 4 * time.Second}
		_, first := shedding(t, &s, func(int) time.Duration { return time.Second }, numbers{n: 1000, each: 1000}, l)
		settled := first.Counts.Read
		require.Positive(t, settled)
		began := time.Now()
		slow := func(int) time.Duration {
			if time.Since(began) < time.Second {
				return time.Hour
			}
			return time.Second
		}
		l.Attempt = 2
		sheds, report := shedding(t, &s, slow, numbers{n: 1000, each: 1000}, l)
		require.NotEmpty(t, sheds)
		require.Less(t, sheds[0].at, time.Minute)
		require.Equal(t, report.Rest, sheds[0].Rest)
		require.EqualValues(t, 1000, items(sheds[0].Rest)+report.Counts.Read, "with the %d of the first attempt", settled)
		require.Greater(t, report.Counts.Read, settled)
	})
}

// What a lease on a listing has not read is wanted at once. The rest of a planned lease waits for
// calls that end soon, as a message costs about half a lease.
func TestAPlannedLeaseIsPatientWithItsCalls(t *testing.T) {
	for name, c := range map[string]struct {
		rest  int
		call  time.Duration // the first one, after which the others are done
		sheds bool
	}{
		"planned, a call that ends soon": {10, 5 * time.Second, false},
		"planned, a long call":           {10, 40 * time.Second, true},
		"listing, a call that ends soon": {32, 6 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := lease.Lease{Splits: parts(10_000, 1000), Slots: 4, Rest: c.rest, Time: 4 * time.Second}
				var began atomic.Bool
				first := func(int) time.Duration {
					if began.CompareAndSwap(false, true) {
						return c.call
					}
					return 100 * time.Millisecond
				}
				sheds, report := shedding(t, new(store), first, numbers{n: 10_000, each: 10_000}, l)
				require.NotEmpty(t, report.Rest)
				require.Equal(t, c.sheds, len(sheds) > 0 && len(sheds[0].Rest) > 0, sheds)
			})
		})
	}
}

// Slots that nobody in the worker uses go back to the coordinator, once.
func TestALeaseThatHasReadAllGivesBackItsSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lease.Lease{Splits: parts(100, 100), Slots: 10, Rest: 32, Time: time.Minute}
		slow := func(i int) time.Duration {
			if i < 2 {
				return time.Hour
			}
			return 700 * time.Millisecond // all have ended when the lease looks
		}
		sheds, _ := shedding(t, new(store), slow, numbers{n: 100, each: 100}, l)
		require.Len(t, sheds, 1)
		require.Empty(t, sheds[0].Rest)
		require.Equal(t, 2, sheds[0].Calls)
	})
}

func TestALeaseHasTheSlotsThatTheCoordinatorSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var control leaserun.Control
		l := lease.Lease{Splits: parts(1000, 100), Slots: 10, Rest: 32, Time: time.Hour}
		shedder := leaserun.Shed(nil, l, &control, func(lease.Shed) {})
		var running atomic.Int64
		j := job(numbers{n: 1000, each: 1000}, func(_ context.Context, i int) (int, error) {
			running.Add(1)
			time.Sleep(time.Second)
			running.Add(-1)
			return i, nil
		})
		var at []int64
		go func() {
			for i, slots := range []int{3, 7} { // calls begin and end at halves of a second
				<-time.After(5*time.Second + 500*time.Millisecond)
				shedder.Follow(lease.Grant{Edition: int64(1 + i), Usual: slots}, nil)
				<-time.After(5*time.Second + 250*time.Millisecond)
				at = append(at, running.Load())
				<-time.After(250 * time.Millisecond)
			}
		}()
		report, err := leaserun.Run(t.Context(), j, l, newLane[int](&store{}, l.Ref), &control)
		shedder.End(&report, true)
		require.NoError(t, err)
		require.Equal(t, []int64{3, 7}, at)
	})
}
