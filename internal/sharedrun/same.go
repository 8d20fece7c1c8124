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
	compared := ""
	for _, v := range p.Settled {
		if v.Version == "" || v.Split == compared || journal.IsTakenSplit(v.Split) {
			continue
		}
		compared = v.Split
		now, err := m.plan.Version(ctx, dmap.Split{ID: v.Split, From: dmap.Cursor(v.From), To: dmap.Cursor(v.To)})
		if err != nil {
			return fmt.Errorf("%s: version of %q: %w", m.spec.Source, v.Split, err)
		}
		if now != "" && now != v.Version {
			return &dmap.SpecError{RunID: m.spec.RunID, Fields: []string{fmt.Sprintf("version of %q: %s, begun with %s", v.Split, now, v.Version)}}
		}
	}
	return nil
}
