package sink

import (
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// holdOf is the hold that is the outcome of an item: an error that the engine made. nil: another
// error, perhaps one with a hold in its chain.
func holdOf(err error) *dmap.HoldError {
	hold, ok := err.(*dmap.HoldError) //nolint:errorlint // the engine wraps it in nothing
	if !ok || hold == nil || hold.Holds() == 0 {
		return nil
	}
	return hold
}

// holdsBefore is how often the item of a call was held before it.
func holdsBefore(info *dmap.Info) int {
	if info.Decision == nil {
		return 0
	}
	return info.Decision.Holds
}

// appendDecision appends the decision about an item that was held.
func appendDecision(dst []byte, info *dmap.Info) []byte {
	d := info.Decision
	if d == nil {
		return dst
	}
	return append(dst, decisionFields(d.Reason, storedDecision(d))...)
}

func storedDecision(d *dmap.Decision) *runfolder.Decided {
	return &runfolder.Decided{Approved: d.Approved, By: d.By, At: d.At, Note: d.Note}
}

// heldReason is the reason of a hold, for rules, which take errors.
type heldReason struct{ text string }

func (e *heldReason) Error() string { return e.text }

// decisionFields are the fields of a record about a decision; nil if there is none.
func decisionFields(reason string, d *runfolder.Decided) []byte {
	if d == nil {
		return nil
	}
	return runfolder.AppendDecided(runfolder.AppendReason(nil, reason), d)
}
