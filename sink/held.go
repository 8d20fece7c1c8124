package sink

import (
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// holdOf is the hold that is the outcome of an item: an error that the engine made. nil: another
// error, perhaps one with a hold in its chain.
func holdOf(err error) *dmap.HoldError {
	hold, ok := err.(*dmap.HoldError) //nolint:errorlint // the engine wraps it in nothing
	if !ok || hold.Holds() == 0 {
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

// held appends a HELD record.
func (e *encoder) held(info *dmap.Info, item *runfolder.Item, elapsed time.Duration, input any, hold *dmap.HoldError) {
	c := &e.chunks[runfolder.Held]
	item.Holds = hold.Holds()
	buf := runfolder.AppendItem(c.buf, item)
	buf = runfolder.AppendElapsed(buf, elapsed.Nanoseconds())
	buf = runfolder.AppendReason(buf, e.rules.Text(&heldReason{hold.Reason}, info.Key, maxErrorText))
	if d := info.Decision; d != nil { // about the hold before
		buf = runfolder.AppendDecided(buf, storedDecision(d))
	}
	c.buf = append(e.appendKeptInput(buf, info, input, nil), "}\n"...)
	c.addRecord(info)
}
