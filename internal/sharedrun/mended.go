package sharedrun

import (
	"context"
	"sync"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
)

// mended keeps what a machine knows about the objects that were mended, over the steps of a
// redrive: to compare one may take reading it. The zero mended knows nothing.
type mended struct {
	mu      sync.Mutex // guards the fields below
	redrive int
	known   *journal.Mended
}

// mendedObjects returns what is known in the redrive that p is in; nil: it is in none.
func (m *Machine[T, R]) mendedObjects(p *journal.Progress) *journal.Mended {
	if p.Redrive == nil || m.plan.Rest == nil {
		return nil
	}
	m.mended.mu.Lock()
	defer m.mended.mu.Unlock()
	if m.mended.known == nil || m.mended.redrive != p.Redrive.Number {
		m.mended.redrive, m.mended.known = p.Redrive.Number, journal.NewMended(p.Redrive.Rests, m.versionAfter)
	}
	return m.mended.known
}

// versionAfter is the version of the object of a rest now, empty if its content before the rest is
// not the same.
func (m *Machine[T, R]) versionAfter(ctx context.Context, rest journal.Rest, version string) (now string, err error) {
	now, err = m.plan.Rest(ctx, dmap.Split{
		ID: rest.Split, Object: rest.Object, Version: version, From: dmap.Cursor(rest.From), Before: rest.Before,
	})
	if err != nil && dmap.Class(err) == "changed" {
		return "", nil
	}
	return now, err
}
