package sharedrun

import (
	"context"
	"errors"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
)

// Begun is the state of a run when an era opens.
type Begun struct {
	Era      int64          `json:"era"`
	Next     int64          `json:"next"`             // number of the first lease
	Pieces   []dmap.Split   `json:"pieces,omitempty"` // of a listing
	Planned  bool           `json:"planned,omitempty"`
	MaxItems int64          `json:"maxItems,omitempty"`
	Before   journal.Counts `json:"before,omitzero"`
	Ended    bool           `json:"ended,omitempty"` // the run has a manifest: nothing is left to do
}

// Begin creates the run, or takes it over from a host or a dmap.Map, and opens an era.
func (m *Machine[T, R]) Begin(ctx context.Context, by lease.Starter) (b Begun, err error) {
	done, err := m.use(ctx)
	if err != nil {
		return b, err
	}
	defer done()
	h, ended, err := m.job.Sink.BeginShared(ctx, m.spec, by)
	if err != nil || ended != nil {
		return Begun{Ended: ended != nil}, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	p := h.Progress()
	b = Begun{Era: h.Era(), Next: h.NextLease(), Before: p.Counts, MaxItems: m.job.Options.MaxItems, Planned: true}
	if b.MaxItems > 0 && p.Counts.Read > 0 {
		return b, errTaken(m.spec.RunID)
	}
	if len(p.Settled) > 0 {
		return b, nil // the plan leaves the settled parts out
	}
	b.Pieces, err = m.listings(ctx)
	b.Planned = b.Pieces == nil
	return b, err
}

// mostListings is how many listings are leased as they are. A source of more is planned.
const mostListings = 64

// listings are the splits of a source of listings only: the workers divide them. nil: the source
// must be planned.
func (m *Machine[T, R]) listings(ctx context.Context) (all []dmap.Split, err error) {
	if m.plan.Sharing == nil {
		return nil, nil
	}
	for s, err := range m.plan.Splits(ctx) {
		if err != nil {
			return nil, err
		}
		if m.plan.Sharing(s) != dmap.SharedByTrySplit || len(all) == mostListings {
			return nil, nil
		}
		all = append(all, s)
	}
	return all, nil
}
