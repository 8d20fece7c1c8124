package sink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lanes"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

// Host acts for a run that several machines work on: it begins eras, takes in
// the settled items of leases, and ends the run. It is for the packages of this module that share
// runs.
type Host[R any] struct {
	f    *BucketSink[R]
	run  *run
	host *lanes.Host
}

// BeginShared creates the folder of a run, or takes the run over, and opens an era in which leases
// may be given. It begins a redrive if the options of the run ask for one, and takes up held items
// that were decided. same compares the source before a redrive begins or continues: an error of it
// forbids the redrive; nil: nothing is compared. In a folder of this host it holds the lock of the
// run until Close. An Ending: the run has ended. dmap.ErrFenced: another process works on the run,
// or has just written to it, or a later attempt of the same Starter has begun.
func (f *BucketSink[R]) BeginShared(ctx context.Context, spec dmap.RunSpec, by lease.Starter, same func(context.Context, *journal.Progress) error) (*Host[R], *dmap.Ending, error) {
	return f.openShared(ctx, spec, opening[R]{
		find:  func(h *Host[R]) error { _, err := f.claim(ctx, h.run); return ownLock(err, by) },
		end:   f.lastEnd,
		again: func(h *Host[R], m *runfolder.Manifest) error { return ownRace(h.redrive(ctx, m, same), by) },
		open:  func(h *Host[R]) error { return h.begin(ctx, by) },
	})
}

// JoinShared acts for an era that BeginShared has opened. dmap.ErrFenced: the era is over.
func (f *BucketSink[R]) JoinShared(ctx context.Context, spec dmap.RunSpec, era int64) (*Host[R], *dmap.Ending, error) {
	return f.openShared(ctx, spec, opening[R]{
		find:  func(h *Host[R]) error { return f.findLeased(ctx, h.run) },
		end:   f.joinedEnd,
		again: func(h *Host[R], m *runfolder.Manifest) error { return h.findRedrive(ctx, m) },
		open: func(h *Host[R]) (err error) {
			h.host, err = f.lanes(h.run).Join(h.run.journal.log, era)
			return err
		},
	})
}

// opening are the steps by which a process opens a run for others.
type opening[R any] struct {
	find func(*Host[R]) error
	end  func(context.Context, *run) (*runfolder.Manifest, error) // the newest one; nil: the run has none
	// again makes the run one that is redriven after the end m, or leaves it ended.
	again func(h *Host[R], m *runfolder.Manifest) error
	open  func(*Host[R]) error
}

// openShared finds the run, and opens it unless it has ended.
func (f *BucketSink[R]) openShared(ctx context.Context, spec dmap.RunSpec, steps opening[R]) (h *Host[R], ended *dmap.Ending, err error) {
	if f.opts.Express {
		return nil, nil, errNotShared
	}
	r, err := f.newRun(spec)
	if err != nil {
		return nil, nil, err
	}
	r.journal = newRunJournal(f, r, nil)
	h = &Host[R]{f: f, run: r}
	if ended, err = h.enter(ctx, steps); err != nil || ended != nil {
		return nil, ended, errors.Join(err, h.Close())
	}
	return h, nil, nil
}

func (h *Host[R]) enter(ctx context.Context, steps opening[R]) (ended *dmap.Ending, err error) {
	f, r := h.f, h.run
	if err := steps.find(h); err != nil {
		return nil, err
	}
	m, err := steps.end(ctx, r)
	if err != nil {
		return nil, err
	}
	if m != nil {
		if err := steps.again(h, m); err != nil {
			return nil, h.explain(err)
		}
		if r.again == nil {
			return f.storedEnd(r, m), nil
		}
	} else if r.file != nil {
		if err := f.sameSpec(r, r.file, &begunWith{r.file.Version, r.file.Batch}); err != nil {
			return nil, err
		}
	}
	if err := r.journal.log.Reload(ctx); err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	return nil, h.explain(steps.open(h))
}

func (h *Host[R]) explain(err error) error {
	if err == nil {
		return nil
	}
	return h.run.explainCreate(fmt.Errorf("sink: folder %q: %w", h.run.folder, err), dmap.ErrFenced)
}

// Era is what leases must name.
func (h *Host[R]) Era() int64 { return h.host.Era() }

// NextLease is a number from which on no lease was absorbed.
func (h *Host[R]) NextLease() int64 { return h.host.NextLease() }

// Progress is that of the run, without leases that are not absorbed.
func (h *Host[R]) Progress() journal.Progress {
	p := h.host.Progress()
	if h.run.again != nil {
		p.Redrive = h.run.again.journal()
	}
	return p
}

// Failed are the failures of the run in groups, without leases that are not absorbed.
func (h *Host[R]) Failed() []failgroup.Group { return h.host.Failed().Groups() }

// Absorb seals all lanes of these leases, of which each ref names the newest attempt, and takes
// them into the run. It skips those that are absorbed already. elapsed is the time of the run since
// the last call.
func (h *Host[R]) Absorb(ctx context.Context, refs []lease.Ref, elapsed time.Duration) error {
	return h.explain(h.host.Absorb(ctx, refs, elapsed))
}

// Close frees the sink, and the lock on a folder of this host.
func (h *Host[R]) Close() error {
	h.f.run.CompareAndSwap(h.run, nil)
	lock := h.run.journal.lock
	h.run.journal.lock = nil
	return lock.release()
}

// Finish ends the run: no lease can be opened any more, all that have lanes are absorbed, and the
// manifest is written. Its counts are those of the records. An Unread of All says that the source
// was not read to its end: the manifest then has all that is not settled. end.Stats.Elapsed is the
// time of the run since the last call of Absorb. Finish returns the end that is stored, which may
// be that of another call. The Host is closed.
func (h *Host[R]) Finish(ctx context.Context, end dmap.Ending) (*dmap.Ending, error) {
	defer func() { _ = h.Close() }()
	var stop *journal.Stop
	if end.Err != nil {
		stop = &journal.Stop{Reason: end.Stats.Reason, Error: errorText(end.Err)}
	}
	if err := h.host.Finish(ctx, stop, end.Stats.Elapsed); err != nil {
		return nil, h.explain(err)
	}
	if err := h.write(ctx, end); err != nil && !guard.Is(err, publish.ErrExists) {
		return nil, err
	}
	m, err := h.f.lastEnd(ctx, h.run)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, fmt.Errorf("sink: folder %q: %w", h.run.folder, runfolder.ErrNoManifest)
	}
	return h.f.storedEnd(h.run, m), nil
}

// Leave ends the era without an end of the run: no lease can be opened any more, and the records
// say why the run is open. elapsed is the time of the run since the last call of Absorb.
func (h *Host[R]) Leave(ctx context.Context, reason string, err error, elapsed time.Duration) error {
	return h.explain(h.host.Finish(ctx, &journal.Stop{Reason: reason, Error: errorText(err)}, elapsed))
}

// write writes the manifest of the run by its records.
func (h *Host[R]) write(ctx context.Context, end dmap.Ending) error {
	r := h.run
	records := r.journal.log.State.Records()
	parts, err := runfolder.CommittedParts(r.folder, records)
	if err != nil {
		return fmt.Errorf("sink: the commits of %q: %w", r.folder, err)
	}
	r.began = true
	r.parts.restore(parts)
	r.groups.replace(runfolder.CommittedGroups(records))
	counted := convert.CommittedStats(&runfolder.RunFile{RunID: r.spec.RunID, Started: r.spec.Started}, records)
	counted.State, counted.Reason = dmap.StateEnded, end.Stats.Reason
	counted.Limit, counted.Truncated, counted.BrokenObjects = end.Stats.Limit, end.Stats.Truncated, end.Stats.BrokenObjects
	if r.again != nil {
		r.again.count(&counted)
	}
	end.Stats, end.Pending, end.Resumable = counted, nil, false
	if end.Unread.All {
		end.Unread = lease.Unread(r.journal.log.State.Progress().Settled)
	}
	err = h.f.End(ctx, end)
	r.journal.lock = nil // End has released it
	return err
}
