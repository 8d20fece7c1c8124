package leaserun_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/leaserun"
)

// member is a lease of a pool: calls of it take this time.
type member struct {
	lease.Lease
	call func(i int) time.Duration
}

// together runs leases in one pool. Their reports come in the order of the leases.
func together(t *testing.T, gauge *dmaptest.Gauge, pool *leaserun.Pool, members ...member) (reports []lease.Report, sheds []lease.Shed, end []time.Duration) {
	t.Helper()
	reports, end = make([]lease.Report, len(members)), make([]time.Duration, len(members))
	shed, done, began := make(chan lease.Shed, 10), make(chan int), time.Now()
	for i, m := range members {
		go func() {
			control := new(leaserun.Control)
			shedder := leaserun.Shed(pool, m.Lease, control, func(s lease.Shed) { shed <- s })
			j := job(numbers{n: 100_000, each: 100_000}, dmaptest.Gauged(gauge, func(_ context.Context, i int) (int, error) {
				time.Sleep(m.call(i))
				return i, nil
			}))
			report, err := leaserun.Run(t.Context(), j, m.Lease, newLane[int](&store{}, m.Ref), control)
			shedder.End(&report, err == nil)
			reports[i], end[i] = report, time.Since(began)
			done <- i
		}()
	}
	for range members {
		<-done
	}
	close(shed)
	for s := range shed {
		sheds = append(sheds, s)
	}
	return reports, sheds, end
}

// of is a lease with this number of items.
func of(number int64, slots, items int) lease.Lease {
	return lease.Lease{
		Ref: lease.Ref{Lease: number, Attempt: 1, Era: 5}, Splits: parts(items, items), Slots: slots, Rest: 32, Time: time.Hour,
		Grant: lease.Grant{Edition: 1, Usual: 10},
	}
}

func always(d time.Duration) func(int) time.Duration { return func(int) time.Duration { return d } }

// The first lease has a call that takes a minute. Another one gets its slots, and nobody else hears
// of them before its report.
func TestALeaseLendsSlotsToAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gauge dmaptest.Gauge
		slow := func(i int) time.Duration {
			if i == 0 {
				return time.Minute
			}
			return time.Second
		}
		reports, sheds, end := together(t, &gauge, new(leaserun.Pool), member{of(0, 10, 100), slow}, member{of(1, 10, 2000), always(time.Second)})
		gauge.AtMost(t, 20)
		require.Empty(t, sheds)
		require.Equal(t, []lease.Moved{{Lease: 1, Attempt: 1, Slots: 5}}, reports[0].Moved, "it keeps others for the next lease")
		require.EqualValues(t, 1, reports[0].Edition)
		require.Less(t, end[1], 150*time.Second, "2000 calls by 15 slots, where 10 take 200 s")
		require.Empty(t, reports[1].Moved)
	})
}

// Many leases lend and borrow. Calls at once are never more than the coordinator counts.
func TestLeasesOfAPoolNeverExceedTheirSlotsTogether(t *testing.T) {
	for seed := range int64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var gauge dmaptest.Gauge
				var members []member
				slots, moved := 0, 0
				for i := range int64(8) {
					n := int(1 + (i*7+seed)%10)
					slots += n
					members = append(members, member{of(i, n, 50+100*int((i*5+seed)%8)), func(item int) time.Duration {
						return time.Duration(100+(item*(31+int(seed)))%1900) * time.Millisecond
					}})
				}
				reports, _, _ := together(t, &gauge, new(leaserun.Pool), members...)
				for _, r := range reports {
					for _, m := range r.Moved {
						moved += m.Slots
					}
				}
				require.Positive(t, moved)
				gauge.AtMost(t, slots)
			})
		})
	}
}

// A process makes no more calls than it takes leases of the usual size, whatever slots they bring
// or lend, also while a lease begins.
func TestLeasesOfAPoolNeverExceedTheirProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gauge dmaptest.Gauge
		pool := new(leaserun.Pool)
		pool.AtMost(2)
		call := func(i int) time.Duration { return time.Duration(1000+(i*37)%900) * time.Millisecond }
		slow := func(i int) time.Duration {
			if i == 0 {
				return 20 * time.Second
			}
			return call(i)
		}
		var first, second sync.WaitGroup
		first.Go(func() { together(t, &gauge, pool, member{of(1, 10, 100), slow}) }) // lends from second 15 on
		second.Go(func() {
			_, _, end := together(t, &gauge, pool, member{of(2, 18, 400), call})
			require.Less(t, end[0], 55*time.Second, "400 calls of 1.45 s: 10 at once take 58 s")
		})
		first.Wait()
		<-time.After(time.Second)
		together(t, &gauge, pool, member{of(3, 20, 400), call})
		second.Wait()
		gauge.AtMost(t, 20)
	})
}

// An edit ends all loans, also for the leases that have not heard of it.
func TestAnEditOfTheLimitEndsLoans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gauge dmaptest.Gauge
		pool := new(leaserun.Pool)
		other := leaserun.Shed(pool, of(9, 1, 100), new(leaserun.Control), func(lease.Shed) {})
		var before, after int
		go func() {
			<-time.After(30*time.Second + 500*time.Millisecond)
			before = gauge.Now()
			other.Follow(lease.Grant{Edition: 2, Usual: 3}, nil)
			other.Follow(lease.Grant{Edition: 1, Usual: 10}, []lease.Raised{{Lease: 9, Attempt: 1, Slots: 5}}) // late
			<-time.After(time.Second)
			after = gauge.Now()
		}()
		slow := func(i int) time.Duration {
			if i == 0 {
				return time.Minute
			}
			return time.Second
		}
		reports, _, _ := together(t, &gauge, pool, member{of(0, 10, 100), slow}, member{of(1, 10, 2000), always(time.Second)})
		other.End(new(lease.Report), false)
		require.Equal(t, 19, before)
		require.Equal(t, 6, after, "the slow call, and the others of two leases")
		require.EqualValues(t, 2, reports[0].Edition)
	})
}

// An attempt that is lost sends no report: nobody counts its slots for the others.
func TestALeaseWithoutAReportTakesItsSlotsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gauge dmaptest.Gauge
		pool, control := new(leaserun.Pool), new(leaserun.Control)
		lost := leaserun.Shed(pool, of(7, 10, 1), control, func(lease.Shed) {})
		var report lease.Report
		var before, after int
		go func() {
			j := job(numbers{n: 1, each: 1}, func(context.Context, int) (int, error) {
				time.Sleep(30*time.Second + 500*time.Millisecond) // the calls of the other lease end at whole seconds
				return 0, nil
			})
			report, _ = leaserun.Run(t.Context(), j, of(7, 10, 1), newLane[int](&store{}, lease.Ref{Lease: 7, Attempt: 1, Era: 5}), control)
			before = gauge.Now()
			lost.End(&report, false)
			<-time.After(1200 * time.Millisecond)
			after = gauge.Now()
		}()
		together(t, &gauge, pool, member{of(1, 10, 1000), always(time.Second)})
		require.Equal(t, []int{15, 10}, []int{before, after})
		require.Empty(t, report.Moved)
	})
}

// A lease that is done waits for the next one of its process while others use its slots, and no
// longer.
func TestALeaseReportsTogetherWithTheNextOne(t *testing.T) {
	second := always(time.Second)
	for _, c := range []struct {
		name        string
		first, next int           // items of two leases of 10 slots, each of a second
		want        time.Duration // the first reports
		back, alone bool          // it is wanted back; no other lease reads
		reads       time.Duration
	}{
		{name: "soon", first: 100, next: 115, want: 12 * time.Second, reads: time.Hour},
		{name: "too late", first: 100, next: 2000, want: 14*time.Second + 500*time.Millisecond, reads: 30 * time.Second},
		{name: "wanted back", first: 100, next: 2000, want: 12*time.Second + 500*time.Millisecond, reads: time.Hour, back: true},
		{name: "nobody uses its slots", first: 100, want: 10*time.Second + 500*time.Millisecond, reads: time.Hour, alone: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pool, control, began := new(leaserun.Pool), new(leaserun.Control), time.Now()
				if !c.alone {
					others := make(chan struct{})
					go func() {
						defer close(others)
						var gauge dmaptest.Gauge
						members := []member{{of(1, 10, c.next), second}}
						for i := range int64(5) {
							members = append(members, member{of(2+i, 10, 2000), second})
						}
						together(t, &gauge, pool, members...)
					}()
					defer func() { <-others }()
				}
				if c.back {
					time.AfterFunc(12*time.Second+300*time.Millisecond, control.Return)
				}
				l := of(0, 10, c.first)
				l.Time = c.reads
				shedder := leaserun.Shed(pool, l, control, func(lease.Shed) {})
				j := job(numbers{n: 100_000, each: 100_000}, func(context.Context, int) (int, error) {
					time.Sleep(time.Second + 50*time.Millisecond) // the calls of the others end at whole seconds
					return 0, nil
				})
				report, err := leaserun.Run(t.Context(), j, l, newLane[int](&store{}, l.Ref), control)
				require.NoError(t, err)
				shedder.Linger(&report)
				require.InDelta(t, c.want.Seconds(), time.Since(began).Seconds(), 0.6)
				shedder.End(&report, true)
				if !c.alone {
					require.NotEmpty(t, report.Moved)
				}
			})
		})
	}
}

// A lease that has enough successes makes more of them by its calls in flight. If another lease
// got its slots meanwhile, that one would exceed its share by as many.
func TestALeaseThatHasUsedAShareKeepsItsSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		enough := of(1, 10, 1000)
		enough.Enough = 30
		var gauge dmaptest.Gauge
		uneven := func(i int) time.Duration { return time.Second + time.Duration(i%10)*100*time.Millisecond }
		reports, sheds, _ := together(t, &gauge, new(leaserun.Pool), member{enough, uneven}, member{of(2, 10, 200), always(time.Second)})
		require.Equal(t, lease.Spent, reports[0].Reason)
		require.Empty(t, reports[0].Moved)
		require.Less(t, reports[0].Counts.Succeeded, int64(30+10))
		for _, s := range sheds {
			require.NotEqual(t, int64(1), s.Lease)
		}
	})
}
