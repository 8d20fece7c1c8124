package sink

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/commits"
	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lanes"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// Lane is the sink of one attempt at a lease: a part of a run that several machines work on. It is
// for the packages of this module that run leases.
type Lane[R any] struct {
	*BucketSink[R]

	lease lease.Lease
	lane  *lanes.Lane // nil before OpenJournal
	run   *run        // as lane
}

// Lane returns the sink of an attempt at a lease. The results lie in the run's folder, and its
// journal is the lane of the attempt, which ends with the final record of the attempt: it writes
// neither PENDING parts nor a manifest.
func (f *BucketSink[R]) Lane(l lease.Lease) *Lane[R] {
	own := &BucketSink[R]{bucket: f.bucket, prefix: f.prefix, opts: f.opts, wrong: f.wrong, earlier: f.earlier}
	return &Lane[R]{BucketSink: own, lease: l}
}

// OpenJournal seals the lanes of the attempts before, and returns their progress. The Log
// opens the lane with the first record. dmap.ErrFenced: another process has sealed the lane, or
// has taken the run over.
func (l *Lane[R]) OpenJournal(ctx context.Context, spec dmap.RunSpec, _ func(context.Context, *journal.Progress) error) (log journal.Log, p journal.Progress, ended *dmap.Ending, err error) {
	f := l.BucketSink
	if f.opts.Express {
		return nil, p, nil, errNotShared
	}
	r, err := f.newRun(spec)
	if err != nil {
		return nil, p, nil, err
	}
	defer func() {
		if err != nil {
			f.run.CompareAndSwap(r, nil)
		}
	}()
	r.journal = &runJournal{log: &commits.Log{Bucket: f.bucket}}
	if err := f.checkLeased(ctx, r, l.lease.Redrive); err != nil {
		return nil, p, nil, err
	}
	if l.lane, err = f.lanes(r).Open(ctx, l.lease.Ref, l.lease.Splits); err != nil {
		return nil, p, nil, fmt.Errorf("sink: folder %q: %w", r.folder, err)
	}
	l.run = r
	own := &laneLog[R]{f: f, run: r, lane: l.lane, lists: listsOf(l.lease.Splits)}
	p = l.lane.Before()
	if n := l.lease.Redrive; n > 0 {
		p.Redrive = &journal.Redrive{
			Number: n, Done: len(own.lists) == len(l.lease.Splits), Rests: journalRests(r.again.file.Rests), Changed: r.again.file.Choice.Changed,
		}
	}
	p.Leased = true
	return own, p, nil, nil
}

// listsOf are the lists of items to read again among the splits of a lease.
func listsOf(splits []dmap.Split) (lists []journal.TakenPart) {
	for _, s := range splits {
		if journal.IsTakenSplit(s.ID) {
			lists = append(lists, journal.TakenPart{Split: s.ID, From: s.From.Offset, To: s.To.Offset})
		}
	}
	return lists
}

// errNotShared refuses a run that cannot be shared.
var errNotShared = fmt.Errorf("sink: %w: it has no journal (Express)", lease.ErrRefused)

// checkLeased refuses a lease of another run, or of another redrive. MaxItems is that of the run,
// not of the lease.
func (f *BucketSink[R]) checkLeased(ctx context.Context, r *run, redrive int) error {
	if err := f.findLeased(ctx, r); err != nil {
		return err
	}
	r.spec.Options.MaxItems = r.file.MaxItems
	with := begunWith{r.file.Version, r.file.Batch}
	if redrive > 0 {
		file, err := f.leasedRedrive(ctx, r, redrive)
		if err != nil {
			return err
		}
		r.again, with = &redriven{file: file}, begunWith{file.Version, file.Batch}
	}
	return f.sameSpec(r, r.file, &with)
}

// findLeased makes r the run of run.json, which a host has created.
func (f *BucketSink[R]) findLeased(ctx context.Context, r *run) error {
	file, err := f.findRunFile(ctx, r)
	if err == nil && file == nil {
		err = fmt.Errorf("sink: folder %q: %w", r.folder, runfolder.ErrNoRun)
	}
	return err
}

// End ends the attempt. The lane remains for the record of the run that absorbs it.
func (l *Lane[R]) End(ctx context.Context, end dmap.Ending) error {
	end.Resumable = true
	return l.BucketSink.End(ctx, end)
}

// Place is empty: the results of a lease are where those of its run are.
func (l *Lane[R]) Place() string { return "" }

// Outcome is the settled and the remaining part of the lease, after all attempts so far. It
// seals the lane if the run of the lease could not write its final record. It is for the time after
// that run; a worker that gets an error reports nothing.
func (l *Lane[R]) Outcome(ctx context.Context) (lanes.Outcome, error) {
	if l.lane == nil {
		return lanes.Outcome{}, errors.New("sink: the lane was not opened")
	}
	return l.lane.Outcome(ctx)
}

// Failed are the failures of the lease that records of its lanes have so far, in groups: of all
// attempts. It is for the time after OpenJournal, and safe for concurrent use.
func (l *Lane[R]) Failed() []failgroup.Group {
	all := l.lane.FailedBefore()
	l.run.groups.addTo(all)
	return all.Groups()
}

// laneLog appends the records of a lane.
type laneLog[R any] struct {
	journal.NoLanes
	runless

	f     *BucketSink[R]
	run   *run
	lane  *lanes.Lane
	lists []journal.TakenPart
}

// Lists are those of the lease.
func (l *laneLog[R]) Lists(*journal.Progress) []journal.TakenPart { return l.lists }

// ReadList yields the items of a list after an offset. Those of a release are known to the records
// of the run.
func (l *laneLog[R]) ReadList(ctx context.Context, part journal.TakenPart, from int64) takenItems {
	return func(yield func(journal.TakenItem, error) bool) {
		root := &commits.Log{Bucket: l.f.bucket, In: l.run.folder + runfolder.CommitsFolder}
		if journal.IsReleasedSplit(part.Split) {
			if err := root.Reload(ctx); err != nil {
				yield(journal.TakenItem{}, fmt.Errorf("sink: %w", err))
				return
			}
		}
		l.f.readTaken(ctx, l.run, root.State, part, from)(yield)
	}
}

// runless is the Holder of a lane: items may be held in it, and decisions are for the whole run.
type runless struct{ journal.NoHolds }

// KeepsHeld returns true.
func (runless) KeepsHeld() bool { return true }

// Append writes the next record.
func (l *laneLog[R]) Append(ctx context.Context, c journal.Commit) error {
	if err := l.lane.Append(ctx, c, commits.Extra{Groups: l.run.groups.next()}); err != nil {
		return l.run.explainCreate(fmt.Errorf("sink: folder %q: %w", l.run.folder, err), dmap.ErrFenced)
	}
	l.run.parts.promoteStaged()
	l.run.groups.promoteStaged()
	return nil
}

// Close ends the attempt of this process.
func (l *laneLog[R]) Close() error {
	l.f.run.CompareAndSwap(l.run, nil)
	return nil
}
