package coord

// Shares of the successes that are enough. All shares are never more than the successes that are
// missing. A lease returns when it has its share; calls in flight may add to it. So the successes
// exceed State.Enough by less than the calls at once.

// enoughShare is the share of o; ok is false if other leases have all of them.
func (s *State) enoughShare(o *Open) (share int64, ok bool) {
	if s.Enough == 0 {
		return 0, true
	}
	left := s.Enough - s.Totals().Succeeded
	for i := range s.Open {
		if other := &s.Open[i]; other != o && !other.sharesEnd() {
			left -= max(0, other.Shares.Enough-other.Reported.Succeeded)
		}
	}
	return part(s.Enough, left, int64(s.Control.slots(0)), o.Reported.Succeeded, s.Control.Capacity())
}
