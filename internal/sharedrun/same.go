package sharedrun

import (
	"context"
	"fmt"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
)

// sameSource refuses a redrive over values that are not those that the run has settled, as dmap.Map
// does. Objects are not compared: their changed items fail one by one.
func (m *Machine[T, R]) sameSource(ctx context.Context, p *journal.Progress) error {
	if m.plan.Version == nil {
		return nil
	}
	at, now, err := journal.Changed(p.Settled, func(v journal.Interval) (string, error) {
		return m.plan.Version(ctx, dmap.Split{ID: v.Split, From: dmap.Cursor(v.From), To: dmap.Cursor(v.To)})
	})
	switch {
	case err != nil:
		return fmt.Errorf("%s: version of %q: %w", m.spec.Source, at.Split, err)
	case now != "":
		return m.differs(at.Split, now, at.Version)
	default:
		return nil
	}
}

// differs is the error for a split whose Version is not the one that the run has settled items of.
func (m *Machine[T, R]) differs(split, now, before string) error {
	return &dmap.SpecError{RunID: m.spec.RunID, Fields: []string{fmt.Sprintf("version of %q: %s, begun with %s", split, now, before)}}
}
