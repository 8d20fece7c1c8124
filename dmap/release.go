package dmap

import (
	"context"
	"fmt"

	"github.com/go-dmap/dmap/internal/journal"
)

// release has decided items run again. A record of its own says which: it comes after the one that
// fences other processes, so no two release the same items.
func (d *durable) release(ctx context.Context, p *journal.Progress) error {
	if !d.log.KeepsHeld() || p.Counts.NowHeld() == 0 || p.InTrial() {
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
	record := decided.Commit(p.Number, d.keeper)
	if err := d.write(ctx, record); err != nil {
		return &SinkError{Op: "append", Err: err}
	}
	p.Apply(record)
	return nil
}
