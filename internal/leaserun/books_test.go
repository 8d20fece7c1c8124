package leaserun

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/lease"
)

func (b *books) sums() (limits, own int) {
	for _, a := range b.accounts {
		limits += b.limit(a)
		own += a.own
	}
	return limits, own
}

// Whatever leases lend and return, no slot is lost or used twice. After the reports the coordinator
// knows where each slot is.
func TestBooksNeverHaveMoreOrLessThanTheOwnSlots(t *testing.T) {
	for seed := range 60 {
		random := rand.New(rand.NewPCG(uint64(seed), 1))
		var b books
		coordinator, next := map[int64]int{}, int64(0)
		for range 100 {
			switch n := len(b.accounts); {
			case n < 2 || random.IntN(4) == 0:
				own := 1 + random.IntN(20)
				b.open(lease.Ref{Lease: next, Attempt: 1}, own)
				coordinator[next] = own
				next++
			case random.IntN(3) > 0:
				i := random.IntN(n)
				from, to := b.accounts[i], b.accounts[(i+1+random.IntN(n-1))%n]
				b.lend(from, to, random.IntN(b.limit(from)+1))
			case random.IntN(2) == 0:
				a := b.accounts[random.IntN(n)]
				b.giveBack(a, random.IntN(b.borrowed(a)+1))
			default:
				a := b.accounts[random.IntN(n)]
				reported := random.IntN(3) > 0
				for _, m := range b.close(a, reported) {
					coordinator[m.Lease] += m.Slots
				}
				delete(coordinator, a.ref.Lease)
			}
			limits, own := b.sums()
			require.Equal(t, own, limits)
			for _, a := range b.accounts {
				require.Equal(t, coordinator[a.ref.Lease], a.own)
				require.GreaterOrEqual(t, b.limit(a), 0)
				require.GreaterOrEqual(t, a.own-a.lent(), 0, "it lends no more than its own")
				require.False(t, slices.ContainsFunc(a.loans, func(l loan) bool { return l.slots <= 0 || l.to == a }))
			}
		}
	}
}

func TestSlotsGoToTheLeasesWithTheFewest(t *testing.T) {
	require.Equal(t, []int{5, 2, 0}, topUp(7, []int{1, 4, 9}))
	require.Equal(t, []int{1, 0}, topUp(1, []int{4, 4}))
	require.Equal(t, []int{7, 7, 6}, topUp(20, []int{3, 3, 4}))
	require.Empty(t, topUp(3, nil))
	for seed := range 200 {
		random := rand.New(rand.NewPCG(uint64(seed), 2))
		limits := make([]int, 1+random.IntN(6))
		for i := range limits {
			limits[i] = random.IntN(30)
		}
		n := random.IntN(60)
		got, least, most := topUp(n, limits), 1000, 0
		for i, more := range got {
			n -= more
			require.GreaterOrEqual(t, more, 0)
			if least = min(least, limits[i]+more); more > 0 {
				most = max(most, limits[i]+more)
			}
		}
		require.Zero(t, n, "all are given")
		require.LessOrEqual(t, most, least+1)
	}
}

func TestALeaseKeepsSlotsForTheCoordinator(t *testing.T) {
	require.Equal(t, 1, keeps(4, 12, 1000, 3, 4), "one, so that another lease can begin")
	require.Equal(t, 8, keeps(32, 96, 1000, 3, 32))
	require.Equal(t, 2, keeps(32, 9*32, 1000, 9, 32))
	require.Equal(t, 16, keeps(32, 96, 1000, 2, 32), "half of those that its process has above the usual")
	require.Equal(t, 3, keeps(3, 96, 1000, 1, 32), "no more than its own")
	require.Equal(t, 20, keeps(32, 116, 96, 3, 32), "those that its process cannot use")
}

func TestLimitsOfAProcessAreCutEvenly(t *testing.T) {
	for _, c := range []struct {
		most       int
		from, want []int
	}{
		{30, []int{5, 20, 3}, []int{5, 20, 3}},
		{20, []int{5, 20, 3}, []int{5, 12, 3}},
		{20, []int{20, 15, 3}, []int{9, 8, 3}},
		{2, []int{4, 4, 4}, []int{1, 1, 1}},
		{5, nil, nil},
	} {
		got := slices.Clone(c.from)
		cut(got, c.most)
		require.Equal(t, c.want, got, "%v to %d", c.from, c.most)
	}
}
