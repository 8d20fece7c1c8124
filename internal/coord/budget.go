package coord

import (
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
)

// Shares of the budget. All shares and the used amounts are never more than the budget, so that the
// run keeps it as each lease does: calls exactly, bytes and units but for the last calls.

// budgetShare is the share of o; ok is false if nothing remains now.
func (s *State) budgetShare(o *Open) (share dmap.Budget, ok bool) {
	own, ok := s.shareOf(s.Control.Budget, s.used(), o)
	total, left := s.shareOf(s.Total, s.Totals(), o)
	return dmap.Budget{
		Calls: lesser(own.Calls, total.Calls), Bytes: lesser(own.Bytes, total.Bytes), Units: lesser(own.Units, total.Units),
	}, ok && left
}

// lesser is the smaller of two limits; 0: none.
func lesser[N int64 | float64](a, b N) N {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// shareOf is the share of o in a budget of which an amount is used.
func (s *State) shareOf(limit dmap.Budget, used journal.Counts, o *Open) (share dmap.Budget, ok bool) {
	if limit.Calls == 0 && limit.Bytes == 0 && limit.Units == 0 {
		return dmap.Budget{}, true
	}
	left := limit
	left.Calls, left.Bytes, left.Units = left.Calls-calls(used), left.Bytes-used.Bytes, left.Units-used.Units
	for i := range s.Open {
		if &s.Open[i] == o || s.Open[i].sharesEnd() {
			continue
		}
		b, n := s.Open[i].Shares.Budget, s.Open[i].Reported
		left.Calls -= max(0, b.Calls-calls(n))
		left.Bytes -= max(0, b.Bytes-n.Bytes)
		left.Units -= max(0, b.Units-n.Units)
	}
	least, per := float64(4*s.Control.slots(0)), float64(max(1, calls(used)))
	n := o.Reported
	var enough [3]bool
	share.Calls, enough[0] = part(limit.Calls, left.Calls, int64(least), calls(n), s.Control.Capacity())
	share.Bytes, enough[1] = part(limit.Bytes, left.Bytes, int64(least*float64(used.Bytes)/per), n.Bytes, s.Control.Capacity())
	share.Units, enough[2] = part(limit.Units, left.Units, least*used.Units/per, n.Units, s.Control.Capacity())
	return share, enough == [3]bool{true, true, true}
}

// part is the share of one of n leases, beside the amount that it has used; without a limit it is
// 0.
func part[N int64 | float64](limit, left, least, used N, n int) (share N, ok bool) {
	if limit == 0 {
		return 0, true
	}
	if left <= 0 {
		return 0, false
	}
	share = min(left, max(left/N(2*n), least))
	if share == 0 {
		share = left
	}
	return used + share, true
}
