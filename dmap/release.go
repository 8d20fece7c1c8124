package dmap

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/go-dmap/dmap/internal/journal"
)

// release has decided items run again. A record of its own says which: it comes after the one that
// fences other processes, so no two release the same items.
func (d *durable) release(ctx context.Context, p *journal.Progress) error {
	if !d.log.KeepsHeld() || p.Counts.NowHeld() == 0 || d.inTrial(p) {
		return nil
	}
	var decided journal.Decided
	err := within(ctx, d.ignorance, "Decide", func() (err error) {
		decided, err = d.log.Decide(ctx, p, p.Number)
		return err
	})
	if err != nil {
		return &SinkError{Op: "open", Err: fmt.Errorf("decisions: %w", err)}
	}
	if d.ignored = decided.Ignored; decided.Release == nil {
		return nil
	}
	decided.Release.Sink = d.keeper
	record := journal.Commit{
		Number: p.Number, Release: decided.Release, Counts: journal.Counts{Released: decided.Items},
		States: map[string]json.RawMessage{d.keeper: decided.State},
	}
	if err := d.write(ctx, record); err != nil {
		return &SinkError{Op: "append", Err: err}
	}
	p.Apply(record)
	return nil
}

// inTrial reports whether a trial has items of its own to process: it leaves all others as they
// are.
func (d *durable) inTrial(p *journal.Progress) bool {
	if p.Redrive == nil || !p.Redrive.Trial {
		return false
	}
	settled := journal.NewIntervalSet(p.Settled)
	for _, part := range p.Redrive.Parts {
		if len(settled.Gaps(journal.Interval{Split: part.Split, To: journal.Cursor{Offset: part.Size}})) > 0 {
			return true
		}
	}
	return false
}

// takenLists are the lists of items that the run reads again: those of a redrive, and those of a
// release. A trial reads no release from before it.
func (d *durable) takenLists(p *journal.Progress) (lists []takenList) {
	number, trial := 0, false
	if p.Redrive != nil {
		number, trial = p.Redrive.Number, p.Redrive.Trial
		for _, part := range p.Redrive.Parts {
			lists = append(lists, takenList{part, p.Redrive.Read})
		}
	}
	if p.Release != nil && (!trial || p.Release.Redrive == number) {
		for _, part := range p.Release.Taken() {
			lists = append(lists, takenList{part, d.log.ReadReleased})
		}
	}
	return lists
}
