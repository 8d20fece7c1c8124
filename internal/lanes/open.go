package lanes

import (
	"context"
	"fmt"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/commits"
	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

// Lane is a lane that its owner writes.
type Lane struct {
	run    Run
	ref    lease.Ref
	splits []dmap.Split
	before []commits.State // of the attempts before, which are sealed
	log    *commits.Log
}

// Open seals the lanes of the attempts before ref and returns that of ref. The owner works for it
// once it has appended record 0.
func (r Run) Open(ctx context.Context, ref lease.Ref, splits []dmap.Split) (*Lane, error) {
	if ref.Lease < 0 || ref.Lease > runfolder.LastLease || ref.Attempt < 1 || ref.Attempt > runfolder.LastAttempt || ref.Era < 0 {
		return nil, fmt.Errorf("lease %d, attempt %d, era %d: out of range", ref.Lease, ref.Attempt, ref.Era)
	}
	before, err := r.sealAll(ctx, ref.Lease, ref.Attempt-1)
	if err != nil {
		return nil, err
	}
	return &Lane{run: r, ref: ref, splits: splits, before: before, log: r.lane(ref.Lease, ref.Attempt)}, nil
}

// Before is what the attempts before have settled, as the progress of a run whose next commit is
// record 0 of the lane.
func (l *Lane) Before() journal.Progress {
	p := unite(l.before)
	p.Resumed = true
	return p
}

// FailedBefore is the index of the failures of the attempts before. The caller owns it.
func (l *Lane) FailedBefore() *failgroup.Index {
	var records []runfolder.CommitRecord
	for _, lane := range l.before {
		records = append(records, groupsOf(lane)...)
	}
	return runfolder.CommittedGroups(records)
}

// Append writes the next record of the lane: the one with Clean is its last. It matches
// dmap.ErrFenced if the lane is sealed, or if another process has the run since the lease was
// given.
func (l *Lane) Append(ctx context.Context, c journal.Commit, x commits.Extra) error {
	if l.log.State.Final() { // an engine that has stopped may say once more that it has ended
		if c.Clean && len(c.Settled) == 0 {
			return nil
		}
		return fenced("lane %q has its last record", l.log.In)
	}
	c.Final, c.Begins = c.Clean, false
	if c.Number == 0 {
		c.Begins = true
		x.Lane = &runfolder.Lane{
			Lease: l.ref.Lease, Attempt: l.ref.Attempt, Era: l.ref.Era, Splits: convert.Each(l.splits, convert.StoredSplit),
		}
	}
	err := l.log.Append(ctx, c, x)
	if guard.Is(err, publish.ErrExists) {
		return fmt.Errorf("%w: %w", fenced("attempt %d at lease %d: another process has sealed it, or works on it", l.ref.Attempt, l.ref.Lease), err)
	}
	if err != nil || c.Number > 0 {
		return err
	}
	return l.checkEra(ctx)
}

// checkEra comes after record 0: a process that takes the run over writes its record first and
// lists the lanes then, so one of the two sees the record of the other.
func (l *Lane) checkEra(ctx context.Context) error {
	header, err := runfolder.NewestHeader(ctx, l.run.Bucket, l.run.Folder)
	if err != nil {
		return err
	}
	if header.Era == nil || *header.Era != l.ref.Era || !header.Shared {
		return fenced("lease %d was given in era %d, which is over", l.ref.Lease, l.ref.Era)
	}
	return nil
}

// Outcome is the settled and the remaining part of a lease, after all attempts at it so far.
type Outcome struct {
	Counts  journal.Counts
	Settled []journal.Interval
	Rest    []dmap.Split // the parts of the splits that no attempt has settled
}

// Outcome seals the lane, unless its owner has written its last record, and says how far the lease
// has come. Only a sealed lane tells: a record may be stored although its writer got an error.
func (l *Lane) Outcome(ctx context.Context) (o Outcome, err error) {
	if !l.log.State.Final() {
		if l.log.State, err = l.run.seal(ctx, l.ref.Lease, l.ref.Attempt); err != nil {
			return o, err
		}
	}
	p := unite(append(l.before[:len(l.before):len(l.before)], l.log.State))
	o.Counts, o.Settled = p.Counts, p.Settled
	settled := journal.NewIntervalSet(p.Settled)
	for _, s := range l.splits {
		all := journal.Interval{Split: s.ID, Version: s.Version, From: journal.Cursor(s.From), To: journal.Cursor(s.To)}
		for _, gap := range settled.Gaps(all) {
			part := s
			part.From, part.To = dmap.Cursor(gap.From), dmap.Cursor(gap.To)
			o.Rest = append(o.Rest, part)
		}
	}
	return o, nil
}
