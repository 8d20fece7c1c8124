package coord

// The state has a bounded number of splits: those in the queue, and those that the leases in flight
// have or may return.

const (
	maxPieces  = 512 // or two for each lease in flight
	maxRest    = 32  // splits that a lease returns
	maxBacklog = 1_000
)

// room is the number of splits that the state has room for.
func (s *State) room() int {
	n := max(maxPieces, 2*s.Control.Capacity())
	for _, p := range s.Queue {
		n -= weight(p.Split)
	}
	for i := range s.Open {
		n -= s.Open[i].reserved()
	}
	return n
}

func (o *Open) reserved() int { return max(o.Rest, weights(o.Splits)) }

// restOf is the number of splits that a lease with n splits may return if there is room for more.
// It leaves room for the leases after it.
func restOf(n, room int) int { return n + max(0, min(maxRest-n, room/8)) }

// backlogged reports whether too many finished leases wait for a root record.
func (s *State) backlogged() bool { return len(s.Finished)+len(s.Open) >= maxBacklog+MaxLeases }
