package coord

import "time"

// The times of leases. They are pure functions of times.

const (
	shortLease = 2 * time.Second
	leastLease = 30 * time.Second
	longLease  = 5 * time.Minute
)

// leaseTime is the reading time of a lease in the middle of a run: a long run has longer leases, so
// that their number stays small.
func leaseTime(age, call time.Duration) time.Duration {
	return min(longLease, max(leastLease, 40*call, age/100))
}

// tailTime shortens a lease so that workers end together: each lease takes at most half of the time
// that all of them need for the remaining items.
func tailTime(usual, remaining, call time.Duration) time.Duration {
	return min(usual, max(shortLease, 2*call, remaining/2))
}

// itemsIn is the number of items that a lease processes in t. call is the mean time of a call.
func itemsIn(t, call time.Duration, slots int) int64 {
	return max(1, int64(float64(t)/float64(max(call, 1))*float64(slots)))
}

// pieceItems is the number of items of a piece that the planner makes: a lease has several, so that
// it can be sized.
func pieceItems(call time.Duration, slots int) int64 {
	if call == 0 {
		return min(10_000, 4*int64(slots))
	}
	return max(int64(slots), min(10_000, itemsIn(leastLease, call, slots)/4))
}

// nextProbe is the time of the next lease that looks for ranges while workers are idle: longer
// after one that has found none.
func nextProbe(probe time.Duration, found bool) time.Duration {
	if found {
		return 0
	}
	return min(leastLease, 2*max(probe, shortLease))
}

// meanCall adds the mean time of the calls of a lease to that of the leases before.
func meanCall(mean, worked time.Duration, calls int64) time.Duration {
	if calls <= 0 || worked <= 0 {
		return mean
	}
	got := worked / time.Duration(calls)
	if mean == 0 {
		return max(got, 1)
	}
	return max(mean+(got-mean)/8, 1)
}

// backOff is the time before the next attempt of a lease that was lost n times.
func backOff(n int) time.Duration {
	if n < 4 {
		return 0
	}
	return time.Second << min(n-4, 6)
}
