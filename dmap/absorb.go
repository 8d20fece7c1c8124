package dmap

import (
	"context"
	"fmt"

	"github.com/go-dmap/dmap/internal/journal"
)

// absorb takes in what other machines have settled, if the run was shared between them. It comes
// after the record that fences them.
func (d *durable) absorb(ctx context.Context, p *journal.Progress) error {
	for {
		var record journal.Commit
		more := false
		err := within(ctx, d.ignorance, "Absorb", func() (err error) {
			record, more, err = d.log.Absorb(ctx)
			return err
		})
		if err != nil {
			return &SinkError{Op: "open", Err: fmt.Errorf("leases: %w", err)}
		}
		if !more {
			return nil
		}
		record.Number = p.Number
		if err := d.write(ctx, record); err != nil {
			return &SinkError{Op: "append", Err: err}
		}
		p.Apply(record)
	}
}
