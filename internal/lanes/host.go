package lanes

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-dmap/dmap/internal/commits"
	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// Host is the side of a run that gives leases. Any number of processes may act for one era: each
// step is done once, whoever does it.
type Host struct {
	run  Run
	root *commits.Log
	era  int64
}

// Begin opens an era of a host, in which leases may be given, and absorbs the leases of earlier
// eras. first makes what the record that opens the era says beside that; nil: nothing. It matches
// dmap.ErrFenced if another process has just written to the run, or a later attempt of the same
// Starter has begun.
func (r Run) Begin(ctx context.Context, root *commits.Log, by lease.Starter, first func(*journal.Progress) (Batch, error)) (*Host, error) {
	root.Writer = startWriter(by, root.Writer)
	for range mostRaces {
		if _, err := r.attempt(ctx, root, by); err != nil {
			return nil, err
		}
		h := &Host{run: r, root: root, era: root.State.Next()}
		err := h.open(ctx, first)
		if err == nil {
			return h, h.absorbRest(ctx)
		}
		if !guard.Is(err, publish.ErrExists) {
			return nil, err
		}
		taken := fmt.Errorf("%w: %w", fenced("another process works on the run"), err)
		if err := root.Reload(ctx); err != nil {
			return nil, err
		}
		if own, err := r.attempt(ctx, root, by); err != nil || own == 0 { // by another host
			return nil, errors.Join(err, taken)
		}
	}
	return nil, fenced("others began each time")
}

// open writes the record that opens the era.
func (h *Host) open(ctx context.Context, first func(*journal.Progress) (Batch, error)) (err error) {
	var b Batch
	p := h.root.State.Progress()
	if first != nil {
		if b, err = first(&p); err != nil {
			return err
		}
	}
	b.Commit.Number, b.Commit.Begins, b.Commit.Shared = h.era, true, true
	b.Commit.Stuck = !p.Moved && !p.Clean && h.era > 0
	return h.root.Append(ctx, b.Commit, b.Extra)
}

// Append writes the record that next makes from the progress of the run; ok is false if there is
// none. next is called again if another process of the era writes a record first.
func (h *Host) Append(ctx context.Context, next func(*journal.Progress) (b Batch, ok bool, err error)) error {
	return h.retry(ctx, func() error {
		p := h.root.State.Progress()
		b, ok, err := next(&p)
		if err != nil || !ok {
			return err
		}
		b.Commit.Number = h.root.State.Next()
		return h.root.Append(ctx, b.Commit, b.Extra)
	})
}

// Join returns the host of an era that Begin has opened.
func (r Run) Join(root *commits.Log, era int64) (*Host, error) {
	h := &Host{run: r, root: root, era: era}
	return h, h.check()
}

// check returns dmap.ErrFenced if another process has the run.
func (h *Host) check() error {
	if era, _, known := h.root.State.Era(); !known || era != h.era {
		return fenced("era %d of the run is over, era %d has begun: another host, or dmap.Map, has taken the run over", h.era, era)
	}
	return nil
}

// Era is what leases must name.
func (h *Host) Era() int64 { return h.era }

// Progress is that of the run.
func (h *Host) Progress() journal.Progress { return h.root.State.Progress() }

// Failed is the index of the failures of the run, without leases that are not absorbed.
func (h *Host) Failed() *failgroup.Index { return runfolder.CommittedGroups(h.root.State.Records()) }

// NextLease is a number from which on no lease was absorbed.
func (h *Host) NextLease() int64 {
	absorbed := h.root.State.Absorbed()
	if len(absorbed) == 0 {
		return 0
	}
	return absorbed[len(absorbed)-1].To + 1
}

// Absorb seals all lanes of these leases, of which each ref names the newest attempt, and takes
// them into the run. It skips those that are absorbed already. elapsed is the time of the run since
// the last call.
func (h *Host) Absorb(ctx context.Context, refs []lease.Ref, elapsed time.Duration) error {
	for _, ref := range refs {
		if ref.Era != h.era {
			return fmt.Errorf("lease %d is of era %d, not of %d", ref.Lease, ref.Era, h.era)
		}
	}
	return h.retry(ctx, func() error {
		absorbed := h.root.State.Absorbed()
		var left []given
		for _, one := range newest(refs) {
			if !absorbed.Has(one.lease) {
				left = append(left, one)
			}
		}
		return h.take(ctx, h.run.gather(left), &elapsed)
	})
}

// newest are the newest attempts of refs, one for each lease.
func newest(refs []lease.Ref) []given {
	last := map[int64]int{}
	for _, ref := range refs {
		last[ref.Lease] = max(last[ref.Lease], ref.Attempt)
	}
	var out []given
	for _, n := range slices.Sorted(maps.Keys(last)) {
		out = append(out, given{n, last[n]})
	}
	return out
}

// absorbRest takes in all leases that have lanes.
func (h *Host) absorbRest(ctx context.Context) error {
	return h.retry(ctx, func() error {
		return h.take(ctx, h.run.TakeOver(h.root.State.Absorbed()), new(time.Duration))
	})
}

// take appends the commits of a Gatherer. The first one takes the elapsed time.
func (h *Host) take(ctx context.Context, g *Gatherer, elapsed *time.Duration) error {
	settled := journal.NewIntervalSet(h.root.State.Progress().Settled)
	for {
		b, ok, err := g.Next(ctx)
		if err != nil || !ok {
			return err
		}
		if err := Disjoint(settled, b.Commit); err != nil {
			return err
		}
		b.Commit.Number, b.Commit.Counts.Elapsed = h.root.State.Next(), *elapsed
		if err := h.root.Append(ctx, b.Commit, b.Extra); err != nil {
			return err
		}
		*elapsed = 0
		settled.Union(b.Commit.Settled)
	}
}

// Finish ends the era: from then on no lease can be opened in it. It absorbs the other
// leases, and writes the last record. Any number of processes may call it. elapsed is the time of
// the run since the last call of Absorb: the first Finish of the era records it.
func (h *Host) Finish(ctx context.Context, stop *journal.Stop, elapsed time.Duration) error {
	err := h.retry(ctx, func() error {
		if _, open, _ := h.root.State.Era(); !open {
			return nil
		}
		closes := journal.Commit{Number: h.root.State.Next(), Closes: true, Counts: journal.Counts{Elapsed: elapsed}}
		return h.root.Append(ctx, closes, commits.Extra{})
	})
	if err != nil {
		return err
	}
	if err := h.absorbRest(ctx); err != nil {
		return err
	}
	return h.retry(ctx, func() error {
		return h.root.Append(ctx, journal.Commit{Number: h.root.State.Next(), Clean: true, Stop: stop}, commits.Extra{})
	})
}

// retry does a step until no other process of the era writes to the run meanwhile.
func (h *Host) retry(ctx context.Context, step func() error) error {
	for range mostRaces {
		err := h.check()
		if err == nil {
			err = step()
		}
		if !guard.Is(err, publish.ErrExists) {
			return err
		}
		if err := h.root.Reload(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("others wrote each of %d records first: call again", mostRaces)
}
