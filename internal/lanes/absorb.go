package lanes

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/go-dmap/dmap/internal/commits"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// Limits of one record that absorbs leases.
const (
	mostLeases = 1000
	mostBytes  = 16 << 20 // one lease may have more
	readers    = 16       // leases that are sealed and read at once
)

// Batch is a commit of the run, such as one that absorbs leases. It has no number yet.
type Batch struct {
	Commit journal.Commit
	Extra  commits.Extra
}

// Gatherer makes the commits that absorb leases. It seals all lanes of a lease before it reads
// them.
type Gatherer struct {
	run   Run
	next  func(context.Context) (given, bool, error)
	ready []sealed
	ended bool
}

// sealed is a lease whose lanes are sealed.
type sealed struct {
	lease int64
	lanes []commits.State
}

// TakeOver returns the Gatherer of all leases that have lanes and are not absorbed. The caller has
// written a record with Begins, or with Closes, before.
func (r Run) TakeOver(absorbed journal.Leases) *Gatherer {
	return &Gatherer{run: r, next: r.list(absorbed).next}
}

// gather returns the Gatherer of these leases.
func (r Run) gather(leases []given) *Gatherer {
	return &Gatherer{run: r, next: func(context.Context) (given, bool, error) {
		if len(leases) == 0 {
			return given{}, false, nil
		}
		first := leases[0]
		leases = leases[1:]
		return first, true, nil
	}}
}

// Next returns the next commit; ok is false if no lease is left.
func (g *Gatherer) Next(ctx context.Context) (b Batch, ok bool, err error) {
	u := union{settled: journal.IntervalSet{}}
	for u.leases < mostLeases {
		if len(g.ready) == 0 {
			if err := g.read(ctx); err != nil {
				return b, false, err
			}
		}
		if len(g.ready) == 0 {
			break
		}
		size := g.ready[0].bytes()
		if u.leases > 0 && u.bytes+size > mostBytes {
			break
		}
		if err := u.add(g.ready[0], size); err != nil {
			return b, false, err
		}
		g.ready = g.ready[1:]
	}
	return u.batch(), u.leases > 0, nil
}

// read seals and reads the next leases.
func (g *Gatherer) read(ctx context.Context) error {
	var leases []given
	for len(leases) < readers && !g.ended {
		next, ok, err := g.next(ctx)
		if err != nil {
			return err
		}
		if g.ended = !ok; ok {
			leases = append(leases, next)
		}
	}
	g.ready = make([]sealed, len(leases))
	group, ctx := errgroup.WithContext(ctx)
	for i, next := range leases {
		group.Go(func() (err error) {
			g.ready[i].lease = next.lease
			g.ready[i].lanes, err = g.run.sealAll(ctx, next.lease, next.last)
			return err
		})
	}
	return group.Wait()
}

// bytes is about what the lanes add to a record.
func (s *sealed) bytes() (n int) {
	for _, lane := range s.lanes {
		n += lane.Bytes()
	}
	return n
}

// union is what the leases of a commit have settled.
type union struct {
	commit  journal.Commit
	settled journal.IntervalSet
	sets    journal.Prefixes
	records []runfolder.CommitRecord // for the groups of failures
	leases  int
	bytes   int
}

func (u *union) add(s sealed, size int) error {
	u.leases++
	u.bytes += size
	u.commit.Absorbed = u.commit.Absorbed.Add(journal.LeaseRange{From: s.lease, To: s.lease})
	p := unite(s.lanes)
	if err := Disjoint(u.settled, journal.Commit{Settled: p.Settled}); err != nil {
		return err
	}
	u.settled.Union(p.Settled)
	u.commit.Counts.Add(p.Counts)
	u.commit.AllStates = addStates(u.commit.AllStates, p.States)
	for _, prefix := range p.Prefixes.All() {
		u.sets.Extend(prefix)
	}
	for _, lane := range s.lanes {
		u.records = append(u.records, groupsOf(lane)...)
	}
	return nil
}

// groupsOf are the groups of failures that the records of a lane have, each in a record alone.
func groupsOf(lane commits.State) (out []runfolder.CommitRecord) {
	for _, r := range lane.Records() {
		if len(r.Groups) > 0 {
			out = append(out, runfolder.CommitRecord{Groups: r.Groups})
		}
	}
	return out
}

// batch is the commit. The time of the lanes is not that of the run: they worked side by side.
func (u *union) batch() Batch {
	u.commit.Settled, u.commit.Prefixes = u.settled.All(), u.sets.All()
	u.commit.Counts.Elapsed = 0
	return Batch{u.commit, commits.Extra{Groups: runfolder.StoredGroups(runfolder.CommittedGroups(u.records))}}
}
