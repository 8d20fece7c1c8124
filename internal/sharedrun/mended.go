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

// in returns the knowledge of a redrive. rest is Plan.Rest. It is nil without any of both.
func (m *mended) in(again *journal.Redrive, rest func(context.Context, dmap.Split) (string, error)) *journal.Mended {
	if again == nil || rest == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || m.redrive != again.Number {
		m.redrive, m.known = again.Number, journal.NewMended(again.Rests, asker(rest))
	}
	return m.known
}

// asker asks Plan.Rest.
func asker(ask func(context.Context, dmap.Split) (string, error)) func(context.Context, journal.Rest, string) (string, error) {
	return func(ctx context.Context, rest journal.Rest, version string) (now string, err error) {
		now, err = ask(ctx, dmap.Split{
			ID: rest.Split, Object: rest.Object, Version: version, From: dmap.Cursor(rest.From), Before: rest.Before,
		})
		if err != nil && dmap.Class(err) == "changed" {
			return "", nil
		}
		return now, err
	}
}
