package coord

import "time"

// The times of leases. They are pure functions of times.

const (
	shortLease = 2 * time.Second // the shortest at the end
	leastLease = time.Minute
	longLease  = 5 * time.Minute
)

// leaseTime is the reading time of a lease in the middle of a run: a long run has longer leases, so
// that their number stays small.
func leaseTime(age, call time.Duration) time.Duration {
	return min(longLease, max(leastLease, 40*call, age/100))
}

// shortTime is the time of the shortest of n leases at once: leases that are that short, one after
// the other, are 50 a second, which a workflow and its server bear.
func shortTime(n int) time.Duration { return max(time.Second, time.Duration(n)*20*time.Millisecond) }

// tailTime shortens a lease so that workers end together. share is the time that all of them need
// for the known items, if each gets as many. If these are all items each lease takes 3/4 of that
// time: one that takes half as long again has to return then, before the others lack work by more
// than an eighth of the time. Before the plan is done it will bring more.
func tailTime(usual, short, share, call time.Duration, all bool) time.Duration {
	if all { // few more leases will be given
		short, share = shortLease, share*3/4
	}
	return min(usual, max(short, 2*call, share))
}

// itemsIn is the number of items that a lease processes in t. call is the mean time of a call.
func itemsIn(t, call time.Duration, slots int) int64 {
	return max(1, int64(float64(t)/float64(max(call, 1))*float64(slots)))
}

// pieceItems is the number of items of a piece that the planner makes: a lease has several, so that
// it can be sized. While nobody knows how many items the source has, pieces grow with those that
// are planned, so that the last ones are small beside the run.
func pieceItems(call time.Duration, slots, n int, planned int64) int64 {
	if call == 0 { // perhaps a call takes an hour
		return min(mostPiece, int64(slots))
	}
	least := max(int64(slots), wholeItems(call, slots, n))
	most := max(least, itemsIn(leastLease, call, slots)/2)
	items := min(mostPiece, most, max(least, planned/int64(8*n)))
	return max(1, items/int64(slots)) * int64(slots) // the last calls of a lease use all slots
}

// wholeItems is the number of items that need not be divided: half of the shortest lease. 0: nobody
// knows.
func wholeItems(call time.Duration, slots, n int) int64 {
	if call == 0 {
		return 0
	}
	return itemsIn(shortTime(n), call, slots) / 2
}

// mostPiece is the largest number of items of a piece.
const mostPiece = 10_000

const firstProbe = 500 * time.Millisecond // the shortest lease that looks for ranges

// probeTime is the time of a lease that looks for ranges while n leases work, and short if that is
// shorter: the fewer work, the more workers are idle, and the fewer leases a second come of it.
func probeTime(n int, short time.Duration) time.Duration {
	return min(short, max(firstProbe, time.Duration(n)*20*time.Millisecond))
}

// nextProbe is the time of the next lease that looks for ranges while workers are idle: longer
// after one that has found none.
func nextProbe(probe time.Duration, found bool) time.Duration {
	if found {
		return 0
	}
	return min(leastLease, 2*probe)
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
