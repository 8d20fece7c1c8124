package coord

import (
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
)

// Why says why a run is over.
type Why string

// The reasons.
const (
	Done      Why = "done"      // nothing is unread. Items may be held
	Tolerance Why = "tolerance" // too many items failed
	Budget    Why = "budget"
	Canceled  Why = "canceled"
	Suspended Why = "suspended" // the run stays open: another host continues it
	Failed    Why = "failed"    // End.Error says why the run cannot continue
	Fenced    Why = "fenced"    // another host or process has the run: there is nothing to finish
)

// End is how a run ends.
type End struct {
	Why   Why    `json:"why"`
	Error string `json:"error,omitempty"`
	Spent Spent  `json:"spent,omitzero"` // of Budget
}

// Spent is a budget that has ended a run.
type Spent struct {
	Field  string      `json:"field"` // that was reached, as BudgetError has it
	Budget dmap.Budget `json:"budget"`
	Used   dmap.Usage  `json:"used"` // by all leases
}

// reached returns the field of a budget that n has reached; empty: there is none.
func reached(b dmap.Budget, n journal.Counts) string {
	switch {
	case b.Calls > 0 && calls(n) >= b.Calls:
		return "Calls"
	case b.Bytes > 0 && n.Bytes >= b.Bytes:
		return "Bytes"
	case b.Units > 0 && n.Units >= b.Units:
		return "Units"
	default:
		return ""
	}
}

// spentNow is the end with all that was used, now that no lease is in flight.
func (s *State) spentNow() End {
	e := *s.End
	if e.Why == Budget {
		n := s.used()
		e.Spent.Used.Calls, e.Spent.Used.Bytes, e.Spent.Used.Units = calls(n), n.Bytes, n.Units
	}
	return e
}

// spentTime is the end of a run whose time is over.
func (s *State) spentTime(at time.Duration) End {
	return End{Why: Budget, Spent: Spent{Field: "Time", Budget: s.Control.Budget, Used: dmap.Usage{Time: at}}}
}
