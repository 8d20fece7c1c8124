package leaserun

// Use is what one of several leases in a worker does with its slots.
type Use struct {
	Slots     int  // that the lease may have
	Limit     int  // that it has now
	InFlight  int  // calls
	Finishing bool // it reads nothing more
}

// Slots divides the slots of a worker among its leases and returns the limit of each, at least 1. A
// lease that only finishes keeps its calls in flight, the others share the rest. A limit that falls
// holds once enough calls have returned: until then no other limit rises in its place, so that
// there are never more calls than slots, unless there are more leases.
func Slots(slots int, leases []Use) []int {
	targets := targets(slots, leases)
	limits := make([]int, len(leases))
	free := slots
	for i, l := range leases {
		limits[i] = min(targets[i], max(l.Limit, 1))
		free -= max(limits[i], l.InFlight)
	}
	for i, l := range leases {
		more := min(targets[i]-max(limits[i], l.InFlight), free)
		if targets[i] > limits[i] && more > 0 {
			limits[i] = max(limits[i], l.InFlight) + more
			free -= more
		}
	}
	return limits
}

// targets are the limits that the leases would have if no call ran.
func targets(slots int, leases []Use) []int {
	out := make([]int, len(leases))
	free, reading := slots, 0
	for i, l := range leases {
		if out[i] = 1; l.Finishing {
			out[i] = max(1, l.InFlight)
		} else {
			reading++
		}
		free -= out[i]
	}
	for free > 0 && reading > 0 { // equal shares; what one cannot take the others get
		share, given := max(free/reading, 1), 0
		for i, l := range leases {
			if more := min(share, l.Slots-out[i], free-given); !l.Finishing && more > 0 {
				out[i] += more
				given += more
			}
		}
		if free -= given; given == 0 {
			break
		}
	}
	return out
}
