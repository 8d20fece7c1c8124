package coord

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/lease"
)

// One lease after the other fails as much as it can, while another one keeps its share to the end.
func TestFailuresExceedACountByLeasesAndCallsInFlight(t *testing.T) {
	for _, tolerated := range []int64{0, 1, 7, 100, 5000} {
		s := begin(t, Control{Limit: 12, PerLease: 4, Tolerance: dmap.Tolerance{Count: tolerated}}, dmap.Split{ID: "s"})
		for range 2000 {
			s.Queue = append(s.Queue, Piece{Split: dmap.Split{ID: "more"}})
		}
		failed := int64(0)
		fail := func(l lease.Lease) {
			n := l.Failures + 1 + int64(l.Slots)
			failed += n
			require.Equal(t, Accepted, s.Report(lease.Report{Ref: l.Ref, Reason: lease.Failures, Counts: counts(0, n)}, after(0)))
		}
		slow := take(t, s, 0)
		returned := false
		for leases := 0; s.End == nil; leases++ {
			require.Less(t, leases, 2000)
			l, ok := s.Take(after(time.Second))
			if !ok { // the others must return first
				require.Equal(t, []int64{slow.Ref.Lease}, s.Orders().Stop)
				returned = true
				fail(slow)
				continue
			}
			fail(l)
		}
		require.Equal(t, Tolerance, s.End.Why)
		if !returned {
			fail(slow)
		}
		require.Greater(t, failed, tolerated)
		require.LessOrEqual(t, failed, tolerated+3+12, "3 leases, 12 calls")
	}
}

func TestAnUnfinishedLeaseThatUsedItsSharesGetsNewOnes(t *testing.T) {
	c := Control{Limit: 4, PerLease: 4, Tolerance: dmap.Tolerance{Count: 100}, Budget: dmap.Budget{Calls: 10_000}}
	s := begin(t, c, piece(0, 1000))
	l := take(t, s, 0)
	require.EqualValues(t, 50, l.Failures)
	require.EqualValues(t, 5000, l.Budget.Calls)
	require.Equal(t, Accepted, s.Report(lease.Report{Ref: l.Ref, Reason: lease.Failures, Unfinished: true, Counts: counts(100, 51)}, after(0)))
	next := take(t, s, 0)
	require.EqualValues(t, 51+24, next.Failures, "half of the 49 that remain")
	require.Greater(t, next.Budget.Calls, int64(4900))
	require.Less(t, next.Budget.Calls, int64(10_000))
}

func TestCountsOfALeaseWhoseLastAttemptWasLostComeFromItsLanes(t *testing.T) {
	s := begin(t, all, piece(0, 100))
	l := take(t, s, 0)
	require.Equal(t, Accepted, s.Report(lease.Report{Ref: l.Ref, Unfinished: true, Counts: counts(10, 0)}, after(0)))
	require.EqualValues(t, 10, s.Totals().Read)
	require.Equal(t, Accepted, s.Lost(take(t, s, 0).Ref, after(0)))
	s.Cancel()
	task, ok := s.Absorb(after(0))
	require.True(t, ok)
	require.Equal(t, []Finished{{Attempts: 2, Unreported: true}}, task.Leases)
	require.Equal(t, Accepted, s.Absorbed(task.Task, Absorption{Counts: counts(25, 0)}))
	require.EqualValues(t, 25, s.Totals().Read)
}

func TestAPercentageIsSharedAsAPercentage(t *testing.T) {
	s := begin(t, Control{Limit: 40, PerLease: 4, Tolerance: dmap.Tolerance{Percentage: 5}}, piece(0, 10), piece(10, 20), piece(20, 30))
	l := take(t, s, 0)
	require.InDelta(t, 5, l.Percentage, 0)
	require.EqualValues(t, 4, l.Above, "one for each slot, while little is known")
	require.Equal(t, Accepted, s.Report(lease.Report{Ref: l.Ref, Counts: counts(100_000, 1000)}, after(0)))
	require.EqualValues(t, 202, take(t, s, 0).Above, "a 20th of the 4,050 that the totals still allow")
}

func TestABudgetIsSharedToTheLastCall(t *testing.T) {
	c := all
	c.Budget = dmap.Budget{Calls: 1000, Units: 50}
	s := begin(t, c, piece(0, 100_000))
	used, leases := int64(0), 0
	for ; s.End == nil; leases++ {
		l := take(t, s, 0)
		require.LessOrEqual(t, used+l.Budget.Calls, int64(1000))
		n := counts(l.Budget.Calls, 0)
		used += n.Calls
		rest := []dmap.Split{piece(int(used), 100_000)}
		n.Units = 0.01 * float64(n.Calls)
		require.Equal(t, Accepted, s.Report(lease.Report{Ref: l.Ref, Reason: lease.Spent, Counts: n, Rest: rest}, after(0)))
	}
	require.Equal(t, Budget, s.End.Why)
	require.EqualValues(t, 1000, used)
	require.Less(t, leases, 30)
}
