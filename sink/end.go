package sink

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/commits"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lanes"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/redrive"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

// reasonEnd is dmap.Stats.Reason of a run that End has ended.
const reasonEnd = "end"

// mostRaces is how often End may lose the race for the next commit to a runner that works. A runner
// commits about once a second.
const mostRaces = 20

// End ends the open run runID, which [Bucket] writes with this bucket and prefix, without its
// source and its function: it writes a manifest with the status CANCELED, the results that the
// commits name, and the part of the source that is not settled. No call resumes the run then; a
// redrive that takes canceled runs continues it, also with another Version.
//
// A process that works on the run is fenced: it stops with dmap.ErrFenced, and results that it has
// not committed do not count. After nil the run has ended; so it has if it had ended before, which
// End leaves as it is. An Express run, which has no journal, cannot be ended. An error that matches
// results.ErrNoRun: there is no run of that name.
func End(ctx context.Context, bucket *blob.Bucket, prefix, runID string) error {
	switch {
	case ctx == nil:
		return errors.New("sink: end: the context is nil: pass context.Background()")
	case bucket == nil:
		return errors.New("sink: end: bucket is nil")
	}
	folder, err := runfolder.Folder(prefix, runID)
	if err != nil {
		return fmt.Errorf("sink: end: %w", err)
	}
	if err := (&ender{bucket: bucket, folder: folder, runID: runID, writer: rand.Text()[:16]}).end(ctx); err != nil {
		return fmt.Errorf("sink: end run %q: %w", runID, err)
	}
	return nil
}

// ender ends one run.
type ender struct {
	bucket        *blob.Bucket
	folder, runID string
	writer        string
	again         *redriven // the redrive that is open; nil: none
}

func (e *ender) end(ctx context.Context) error {
	ended, err := e.ended(ctx)
	if err != nil || ended {
		return err
	}
	file, err := runfolder.LoadRunFile(ctx, e.bucket, e.folder, e.runID)
	switch {
	case err != nil:
		return err
	case file == nil:
		return fmt.Errorf("%w: %q is absent", runfolder.ErrNoRun, e.folder+runfolder.RunFileName)
	case !file.Journal:
		return errors.New("an Express run has no journal: it ends with its process")
	}
	state, err := e.fence(ctx)
	if err != nil {
		return err
	}
	m, err := e.manifest(file, state)
	if err != nil {
		return err
	}
	progress := state.Progress()
	if e.again != nil && (progress.Begun == nil || progress.Begun.Number < e.again.file.Redrive) {
		e.endBeforeBegin(m)
	} else if err := e.endAfterBegin(ctx, m, state, &progress); err != nil {
		return err
	}
	err = publishManifest(ctx, e.bucket, e.folder, m)
	if errors.Is(err, publish.ErrExists) { // a runner, or another End, was faster
		return nil
	}
	return err
}

// ended reports whether the run has a manifest, and no redrive of it is open.
func (e *ender) ended(ctx context.Context) (bool, error) {
	m, err := runfolder.LoadManifest(ctx, e.bucket, e.folder, e.runID)
	if errors.Is(err, runfolder.ErrNoManifest) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	file, err := runfolder.LoadRedrive(ctx, e.bucket, e.folder, e.runID, m.Redrive+1)
	if err != nil || file == nil {
		return err == nil, err
	}
	e.again = &redriven{file: file, before: m}
	return false, nil
}

// fence creates the next commit. A runner that works cannot write it any more, so nothing that it
// does from then on counts. It returns all commits.
func (e *ender) fence(ctx context.Context) (commits.State, error) {
	log := &commits.Log{Bucket: e.bucket, In: e.folder + runfolder.CommitsFolder, Writer: e.writer}
	var err error
	for range mostRaces {
		if err = log.Reload(ctx); err != nil {
			return nil, err
		}
		if _, _, known := log.State.Era(); known {
			err = e.absorb(ctx, log)
		}
		if err == nil {
			err = e.claim(ctx, log, journal.Commit{Clean: true, Stop: &journal.Stop{Reason: reasonEnd}})
		}
		switch {
		case err == nil:
			return log.State, nil
		case guard.Is(err, publish.ErrNotExclusive):
			return nil, fmt.Errorf("nothing keeps a process that works on the run from writing the same commit: "+
				"stop it, and use a store that honors create-only writes: %w", err)
		case !guard.Is(err, publish.ErrExists):
			return nil, err
		}
	}
	return nil, fmt.Errorf("a process that works on the run wrote each of %d commits first: call again: %w", mostRaces, err)
}

// claim appends the next commit, and finds out whether the store refuses to write it twice.
func (e *ender) claim(ctx context.Context, log *commits.Log, c journal.Commit) error {
	c.Number = log.State.Next()
	return log.Claim(ctx, c, commits.Extra{})
}

// absorb takes in what machines have settled that share the run. They are fenced first.
func (e *ender) absorb(ctx context.Context, log *commits.Log) error {
	if err := e.claim(ctx, log, journal.Commit{Begins: true}); err != nil {
		return err
	}
	settled := journal.NewIntervalSet(log.State.Progress().Settled)
	leases := lanes.Run{Bucket: e.bucket, Folder: e.folder, Writer: e.writer}.TakeOver(log.State.Absorbed())
	for {
		b, ok, err := leases.Next(ctx)
		if err == nil && ok {
			err = lanes.Disjoint(settled, b.Commit)
		}
		if err != nil || !ok {
			return err
		}
		b.Commit.Number = log.State.Next()
		if err := log.Append(ctx, b.Commit, b.Extra); err != nil {
			return err
		}
		settled.Union(b.Commit.Settled)
	}
}

// manifest is that of the run after its last commit.
func (e *ender) manifest(file *runfolder.RunFile, state commits.State) (*runfolder.Manifest, error) {
	parts, err := runfolder.CommittedParts(e.folder, state.Records())
	if err != nil {
		return nil, err
	}
	return &runfolder.Manifest{
		Library: libraryVersion(), Writer: e.writer, RunID: e.runID, Source: file.Source,
		Records: file.Records, Started: file.Started, Stopped: runfolder.Time(time.Now()), Commits: state.Next(),
		Status: runfolder.StatusCanceled, Reason: reasonEnd, Error: "ended by sink.End",
		Stats:       convert.StoredStats(convert.CommittedStats(file, state.Records())),
		Unread:      convert.StoredUnread(lease.Unread(state.Progress().Settled)),
		ResultFiles: &runfolder.ResultFiles{Failed: listOf(parts.Failed), Succeeded: listOf(parts.Succeeded), Pending: []runfolder.Part{}, Held: parts.Held},
		Edits:       runfolder.CommittedEdits(state.Records()), Tolerance: runfolder.CommittedTolerance(state.Records()),
	}, nil
}

// listOf is parts as a manifest has them: never null.
func listOf(parts []runfolder.Part) []runfolder.Part {
	if parts == nil {
		return []runfolder.Part{}
	}
	return parts
}

// endBeforeBegin makes m the manifest of a redrive of which nothing counts: the results are those
// from before.
func (e *ender) endBeforeBegin(m *runfolder.Manifest) {
	before := e.again.before
	m.Redrive = e.again.file.Redrive
	m.ResultFiles, m.Stats, m.Unread, m.Groups = before.ResultFiles, before.Stats, before.Unread, before.Groups
}

// endAfterBegin stores what the commits say: the index of the failures and the items that are left
// pending.
func (e *ender) endAfterBegin(ctx context.Context, m *runfolder.Manifest, state commits.State, p *journal.Progress) (err error) {
	groups := runfolder.StoredGroups(runfolder.CommittedGroups(state.Records()))
	if m.Groups, err = storeGroups(ctx, e.bucket, e.folder+runfolder.GroupsName(e.writer, 0), groups); err != nil {
		return err
	}
	return e.endTaken(ctx, m, p)
}

// endTaken adds the items to m that a redrive, or a release of held items, left pending, and makes
// it the manifest of the redrive. p is the progress of the run.
func (e *ender) endTaken(ctx context.Context, m *runfolder.Manifest, p *journal.Progress) error {
	seq := 0
	out := redrive.PartWriter{Limit: DefaultPartBytes, Write: func(ctx context.Context, content []byte, records int64) (runfolder.Part, error) {
		seq++
		return storePart(ctx, e.bucket, e.folder+runfolder.PartName(runfolder.Pending, e.writer, seq), content, records)
	}}
	for l, err := range outstanding(ctx, e.bucket, e.again, p) {
		if err == nil {
			err = out.Add(ctx, l.text)
		}
		if err != nil {
			return err
		}
	}
	if err := out.Flush(ctx); err != nil {
		return err
	}
	m.ResultFiles.Pending = append(m.ResultFiles.Pending, out.Parts...)
	if e.again == nil {
		return nil
	}
	if e.again.file.Done {
		m.Unread = runfolder.Unread{}
	}
	if e.again.trial() {
		m.Stats.Read += e.again.file.Rest
		m.Stats.Pending += e.again.file.Rest
	}
	e.again.manifest(m)
	return nil
}
