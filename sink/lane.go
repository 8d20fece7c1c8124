package sink

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/commits"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lanes"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// Lane is the sink of one attempt at a lease: a part of a run that several machines work on. It is
// for the packages of this module that run leases.
type Lane[R any] struct {
	*BucketSink[R]

	ref    lease.Ref
	splits []dmap.Split
	lane   *lanes.Lane // nil before OpenJournal
}

// Lane returns the sink of an attempt at a lease of these splits. The results lie in the run's
// folder, and its journal is the lane of the attempt, which ends with the final record of the
// attempt: it writes neither PENDING parts nor a manifest.
func (f *BucketSink[R]) Lane(ref lease.Ref, splits []dmap.Split) *Lane[R] {
	own := &BucketSink[R]{bucket: f.bucket, prefix: f.prefix, opts: f.opts, wrong: f.wrong}
	return &Lane[R]{BucketSink: own, ref: ref, splits: splits}
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
	if err := f.checkLeased(ctx, r); err != nil {
		return nil, p, nil, err
	}
	if l.lane, err = f.lanes(r).Open(ctx, l.ref, l.splits); err != nil {
		return nil, p, nil, fmt.Errorf("sink: folder %q: %w", r.folder, err)
	}
	return &laneLog[R]{f: f, run: r, lane: l.lane}, l.lane.Before(), nil, nil
}

// errNotShared refuses a run that cannot be shared.
var errNotShared = fmt.Errorf("sink: %w: it has no journal (Express)", lease.ErrRefused)

// checkLeased refuses a lease of another run. MaxItems is that of the run, not of the lease.
func (f *BucketSink[R]) checkLeased(ctx context.Context, r *run) error {
	if err := f.findLeased(ctx, r); err != nil {
		return err
	}
	r.spec.Options.MaxItems = r.file.MaxItems
	return f.sameSpec(r, r.file, &begunWith{r.file.Version, r.file.Batch})
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

// laneLog appends the records of a lane.
type laneLog[R any] struct {
	journal.NoLanes
	runless

	f    *BucketSink[R]
	run  *run
	lane *lanes.Lane
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
