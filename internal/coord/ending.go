package coord

import (
	"slices"
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// A run ends once. Its leases in flight then return.

// end ends the run: leases in flight return, and lost ones do not run again.
func (s *State) end(e End) {
	if s.End == nil {
		s.End = &e
	}
	for i := len(s.Open) - 1; i >= 0; i-- {
		o := &s.Open[i]
		if o.Held {
			continue
		}
		if !o.Unsure {
			s.Counts.Add(o.Reported)
		}
		s.close(i, !o.Unsure)
	}
}

// endIfDone ends a run of which nothing is unread. A percentage is then of all items. A run that
// has enough successes with its last item ends by these.
func (s *State) endIfDone() {
	s.endByEnough()
	if s.End != nil || !s.Plan.Done || s.Plan.Busy || len(s.Queue) > 0 || len(s.Open) > 0 {
		return
	}
	if s.exceeded(true) {
		s.end(End{Why: Tolerance})
	} else {
		s.end(End{Why: Done})
	}
}

// endByBudget ends a run for which nothing of the budget remains. A run that needs no further call
// is done.
func (s *State) endByBudget() {
	if s.End != nil || s.InFlight() > 0 {
		return
	}
	if field := reached(s.Control.Budget, s.used()); field != "" {
		s.end(End{Why: Budget, Spent: Spent{Field: field, Budget: s.Control.Budget}})
	} else if field := reached(s.Total, s.Totals()); field != "" {
		s.end(End{Why: Budget, Spent: Spent{Total: true, Field: field, Budget: s.Total}})
	}
}

// endByEnough ends a run of which enough items have succeeded.
func (s *State) endByEnough() {
	if s.End == nil && s.Enough > 0 && s.Totals().Succeeded >= s.Enough {
		s.end(End{Why: Enough})
	}
}

// timeLeft is the rest of the time of the run; ok is false if it has no limit.
func (s *State) timeLeft(at time.Duration) (left time.Duration, total, ok bool) {
	own, all := s.Control.Budget.Time, s.Total.Time
	left, total = own-at, false
	if rest := all - s.Before.Elapsed - at; all > 0 && (own == 0 || rest < left) {
		left, total = rest, true
	}
	return left, total, own > 0 || all > 0
}

// endByTime ends a run whose time is over, and that needs more.
func (s *State) endByTime(at time.Duration) {
	left, total, ok := s.timeLeft(at)
	if s.End != nil || !ok || left > 0 || len(s.Queue) == 0 && len(s.Open) == 0 {
		return
	}
	spent := Spent{Field: "Time", Budget: s.Control.Budget, Used: dmap.Usage{Time: at}}
	if total {
		spent = Spent{Total: true, Field: "Time", Budget: s.Total, Used: dmap.Usage{Time: s.Before.Elapsed + at}}
	}
	s.end(End{Why: Budget, Spent: spent})
}

// close moves an open lease to the finished ones. reported says that its counts are known.
func (s *State) close(i int, reported bool) {
	o := s.Open[i]
	s.Open = slices.Delete(s.Open, i, i+1)
	if o.Attempt > 0 {
		s.Finished = append(s.Finished, Finished{Lease: o.Lease, Attempts: o.Attempt, Unreported: !reported})
	}
}

// spentNow is the end with all that was used, now that no lease is in flight.
func (s *State) spentNow() End {
	e := *s.End
	if e.Why == Budget {
		n := s.used()
		if e.Spent.Total {
			n = s.Totals()
		}
		e.Spent.Used.Calls, e.Spent.Used.Bytes, e.Spent.Used.Units = calls(n), n.Bytes, n.Units
	}
	return e
}
