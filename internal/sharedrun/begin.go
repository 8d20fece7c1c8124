package sharedrun

import (
	"context"
	"errors"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/guard"
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
	Redrive  *coord.Redrive `json:"redrive,omitempty"`
	Failures lease.Groups   `json:"failures,omitempty"` // those of Before
	Total    dmap.Budget    `json:"total,omitzero"`     // of the run
	Enough   int64          `json:"enough,omitempty"`   // successes
	Source   string         `json:"source,omitempty"`   // its name
	Ended    bool           `json:"ended,omitempty"`    // the run has a manifest: nothing is left to do
	Stats    dmap.Stats     `json:"stats,omitzero"`     // of such a run
	End      Ended          `json:"end,omitzero"`       // of such a run
}

// Start is how the coordinator of the run begins.
func (b *Begun) Start(control coord.Control, now time.Time) coord.Start {
	return coord.Start{
		Era: b.Era, Now: now, Next: b.Next, Control: control, Pieces: b.Pieces, Planned: b.Planned,
		MaxItems: b.MaxItems, Before: b.Before, Failures: b.Failures, Redrive: b.Redrive, Total: b.Total, Enough: b.Enough,
	}
}

// Ended is how a run has ended, as plain data.
type Ended struct {
	Reason string `json:"reason,omitempty"` // dmap.Stats.Reason
	Error  string `json:"error,omitempty"`  // empty: success
	Before bool   `json:"before,omitempty"` // Error matches dmap.ErrEnded
}

// EndedWith is the plain data of an end.
func EndedWith(e *dmap.Ending) Ended {
	out := Ended{Reason: e.Stats.Reason}
	if e.Err != nil {
		out.Error, out.Before = guard.Text(e.Err, mostText), guard.Is(e.Err, dmap.ErrEnded)
	}
	return out
}

// Err is the error of a run with this end; nil: success. It matches dmap.ErrTolerance or
// dmap.ErrCanceled if that is the reason, and dmap.ErrEnded if the run had ended before.
func (e Ended) Err() error {
	if e.Error == "" {
		return nil
	}
	return &endedError{e}
}

type endedError struct{ end Ended }

func (e *endedError) Error() string { return e.end.Error }

// Is reports whether target is the sentinel of the end.
func (e *endedError) Is(target error) bool {
	switch target {
	case dmap.ErrEnded:
		return e.end.Before
	case dmap.ErrTolerance:
		return e.end.Reason == "tolerance"
	case dmap.ErrCanceled:
		return e.end.Reason == "canceled"
	default:
		return false
	}
}

// Begin creates the run, or takes it over from a host or a dmap.Map, and opens an era. A redrive is
// that of the call; nil: that of the job's options.
func (m *Machine[T, R]) Begin(ctx context.Context, by lease.Starter, again *dmap.Redrive) (b Begun, err error) {
	spec := m.spec
	if again != nil {
		spec.Options.Redrive = *again
		spec.Options.Redrive.Match = m.job.Options.Redrive.Match
	}
	done, err := m.use(ctx)
	if err != nil {
		return b, err
	}
	defer done()
	h, ended, err := m.job.Sink.BeginShared(ctx, spec, by, m.sameSource)
	if err != nil {
		return b, err
	}
	if ended != nil {
		return Begun{Ended: true, Stats: ended.Stats, End: EndedWith(ended)}, nil
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	p := h.Progress()
	b = Begun{
		Era: h.Era(), Next: h.NextLease(), Before: p.Counts, Planned: true, Source: m.spec.Source, Redrive: redriveOf(&p),
		Total: m.job.Options.TotalBudget, Failures: lease.GroupsOf(h.Failed(), lease.RunFailures),
	}
	if p.Redrive != nil { // the items that a trial leaves pending were read
		b.Before.Read += p.Redrive.Rest
	}
	if m.reads(&p) { // else it reads lists, whose items all run
		b.MaxItems, b.Enough = m.job.Options.MaxItems, m.job.Options.Enough
	}
	if len(p.Settled) > 0 || len(p.Lists()) > 0 {
		return b, nil // the plan leaves the settled parts out
	}
	b.Pieces, err = m.listings(ctx)
	b.Planned = b.Pieces == nil
	return b, err
}

// reads reports whether the run reads its source, and not only lists of items.
func (m *Machine[T, R]) reads(p *journal.Progress) bool {
	if most := m.job.Options.MaxItems; most > 0 && p.Counts.Taken >= most {
		return false
	}
	return p.Redrive == nil || !p.Redrive.Done && !p.Redrive.Trial
}

// redriveOf is the redrive of a run as its coordinator knows it.
func redriveOf(p *journal.Progress) *coord.Redrive {
	again := p.Redrive
	if again == nil {
		return nil
	}
	out := &coord.Redrive{Number: again.Number}
	out.Others.Failed, out.Others.Succeeded, out.Others.Waiting = again.Failed, again.Succeeded, again.Waiting
	if p.Begun != nil {
		out.Others.Gone = p.Begun.Gone
	}
	return out
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
