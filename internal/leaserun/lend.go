package leaserun

// Decisions about the slots that a lease without use for them lends to others of its process. They
// are pure functions of numbers.

// keeps is the number of own slots that a lease keeps for the coordinator, in a process with this
// number of leases, which have all slots and may use most of them: a few, so that the next lease
// can begin, those that the process cannot use, and half of those that it has beyond the usual
// number for each lease. So the processes of a run come to have slots by their leases.
func keeps(own, all, most, leases, usual int) int {
	return min(own, max(few(leases, usual), all-most, (all-leases*usual)/2))
}

// few is the least number of slots that one of some leases keeps.
func few(leases, usual int) int { return max(1, usual/(2*max(leases-1, 1))) }

// topUp returns how many of n slots each of some leases gets: those with the fewest get the most.
func topUp(n int, limits []int) []int {
	got := make([]int, len(limits))
	if len(limits) == 0 {
		return got
	}
	level := level(n, limits)
	for i, has := range limits {
		got[i] = max(0, level-has)
		n -= got[i]
	}
	for i, has := range limits { // not enough for one more of each
		if n > 0 && has <= level {
			got[i]++
			n--
		}
	}
	return got
}

// cut lowers the largest limits until their sum is at most a number. Each remains at least 1.
func cut(limits []int, most int) {
	sum, low, high := 0, 1, 0
	for _, n := range limits {
		sum, high = sum+n, max(high, n)
	}
	if sum <= most {
		return
	}
	for low < high {
		middle, sum := (low+high+1)/2, 0
		for _, n := range limits {
			sum += min(n, middle)
		}
		if sum <= most {
			low = middle
		} else {
			high = middle - 1
		}
	}
	for i, n := range limits {
		limits[i] = min(n, low)
		most -= limits[i]
	}
	for i := range limits { // not enough for one more of each
		if limits[i] == low && most > 0 {
			limits[i]++
			most--
		}
	}
}

// level is the largest limit to which n slots can raise all limits below it.
func level(n int, limits []int) int {
	low, high := 0, n
	for _, has := range limits {
		high = max(high, has+n)
	}
	for low < high {
		middle, need := (low+high+1)/2, 0
		for _, has := range limits {
			need += max(0, middle-has)
		}
		if need <= n {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return low
}
