package sink

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/commits"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lanes"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// sharedSink is the position of the sink of a run on many machines: it has no other.
const sharedSink = "0"

// ownLock is err of an attempt to begin, unless another process has the lock of the run and an
// earlier attempt may be that process: one that is stopped keeps the lock. Then a later attempt
// gets it.
func ownLock(err error, by lease.Starter) error {
	lock, held := guard.As[*lockError](err)
	if by.Attempt < 2 || !held || !guard.Is(lock, dmap.ErrFenced) {
		return err
	}
	return fmt.Errorf("attempt %d to begin: a process has the lock, perhaps a stopped one of an earlier attempt: %s",
		by.Attempt, guard.Text(err, maxErrorText))
}

// ownRace is err of an attempt to begin a redrive, unless another process was faster and may be an
// earlier attempt that has stalled: then a later attempt continues the redrive.
func ownRace(err error, by lease.Starter) error {
	if by.Attempt < 2 || !guard.Is(err, dmap.ErrFenced) {
		return err
	}
	return fmt.Errorf("attempt %d to begin: another one was faster: %s", by.Attempt, guard.Text(err, maxErrorText))
}

// begin opens an era, and takes up decided items.
func (h *Host[R]) begin(ctx context.Context, by lease.Starter) (err error) {
	if err := h.sameSinks(); err != nil {
		return err
	}
	if h.host, err = h.f.lanes(h.run).Begin(ctx, h.run.journal.log, by, h.first); err != nil {
		return err
	}
	return h.host.Append(ctx, func(p *journal.Progress) (lanes.Batch, bool, error) { return h.release(ctx, p) })
}

// first is what the record that opens the era says: the begin of a redrive.
func (h *Host[R]) first(p *journal.Progress) (b lanes.Batch, err error) {
	again := h.run.again
	if again == nil {
		return b, nil
	}
	if err := again.progress(p); err != nil {
		return b, err
	}
	if p.Begin(&b.Commit, sharedSink); b.Commit.Redrive != nil {
		b.Extra = commits.Extra{Groups: again.file.Groups, Regrouped: true}
	}
	return b, nil
}

// release is the record by which decided items run again; ok is false if there are none.
func (h *Host[R]) release(ctx context.Context, p *journal.Progress) (b lanes.Batch, ok bool, err error) {
	if h.run.again != nil {
		p.Redrive = h.run.again.journal()
	}
	if p.Counts.NowHeld() == 0 || p.InTrial() {
		return b, false, nil
	}
	decided, err := (&runLog[R]{h.f, h.run}).Decide(ctx, p, p.Number)
	if err != nil || decided.Release == nil {
		return b, false, err
	}
	b.Commit = decided.Commit(p.Number, sharedSink)
	return b, true, nil
}

// redrive begins or continues a redrive after the end m, if the options of the run ask for one, or
// one is open. Otherwise the run stays as it has ended.
func (h *Host[R]) redrive(ctx context.Context, m *runfolder.Manifest, same func(context.Context, *journal.Progress) error) error {
	f, r := h.f, h.run
	if r.file == nil {
		return nil
	}
	if err := f.sameSpec(r, r.file, nil); err != nil {
		return err
	}
	if open, err := f.redrivable(ctx, r, m); err != nil || !open {
		return err
	}
	if err := r.journal.log.Reload(ctx); err != nil {
		return fmt.Errorf("sink: %w", err)
	}
	if r.journal.same = same; same == nil {
		r.journal.same = func(context.Context, *journal.Progress) error { return nil }
	}
	p := r.journal.log.State.Progress()
	again, err := f.openRedrive(ctx, r, m, &p)
	r.again = again
	return err
}

// findRedrive finds the redrive after the end m, if it is open.
func (h *Host[R]) findRedrive(ctx context.Context, m *runfolder.Manifest) error {
	f, r := h.f, h.run
	_, file := f.earlier.get(r.folder)
	if file == nil || file.Redrive != m.Redrive+1 {
		var err error
		if file, err = runfolder.LoadRedrive(ctx, f.bucket, r.folder, r.spec.RunID, m.Redrive+1); err != nil {
			return fmt.Errorf("sink: redrive %d: %w", m.Redrive+1, err)
		}
		if file == nil {
			return nil
		}
		f.earlier.keepRedrive(r.folder, file)
	}
	r.again = &redriven{file: file, before: m}
	return f.sameSpec(r, r.file, &begunWith{file.Version, file.Batch})
}

// ReadList yields the items of a list of the redrive, or of the latest release, after an offset.
func (h *Host[R]) ReadList(ctx context.Context, part journal.TakenPart, from int64) takenItems {
	return h.f.readTaken(ctx, h.run, h.run.journal.log.State, part, from)
}

// sameSinks refuses a run that was begun with other sinks: their results would miss the items that
// machines settle.
func (h *Host[R]) sameSinks() error {
	p := h.run.journal.log.State.Progress()
	for _, at := range slices.Sorted(maps.Keys(p.States)) {
		if at != sharedSink {
			return h.otherSinks("begun with one in position " + at + ", and machines share a run with this one alone")
		}
	}
	if _, kept := p.States[sharedSink]; !kept && p.Counts.Taken > 0 {
		return h.otherSinks("begun without this one")
	}
	return nil
}

func (h *Host[R]) otherSinks(how string) error {
	return &dmap.SpecError{RunID: h.run.spec.RunID, Fields: []string{"sinks: " + how}}
}
