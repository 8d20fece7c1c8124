package coord

import (
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// Why says why a run is over.
type Why string

// The reasons.
const (
	Done      Why = "done"      // nothing is unread. Items may be held
	Tolerance Why = "tolerance" // too many items failed
	Budget    Why = "budget"
	Enough    Why = "enough" // items have succeeded
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
	// Elapsed is the time of the run that no AbsorbTask had.
	Elapsed time.Duration `json:"elapsed,omitempty"`
}

// Spent is a budget that has ended a run.
type Spent struct {
	Total  bool        `json:"total,omitempty"` // it is that of the whole run
	Field  string      `json:"field"`           // that was reached, as BudgetError has it
	Budget dmap.Budget `json:"budget"`
	Used   dmap.Usage  `json:"used"` // by all leases; of the whole run if Total
}
