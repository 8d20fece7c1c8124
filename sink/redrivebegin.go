package sink

import (
	"context"
	"fmt"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/redrive"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

// redriveStart starts a redrive: it chooses the items and records them. It writes nothing that
// counts before the record redrive-<n>.json.
type redriveStart[R any] struct {
	f        *BucketSink[R]
	run      *run
	before   *runfolder.Manifest    // the end of the run so far
	last     *runfolder.RedriveFile // the redrive that ended with it; nil: none
	counted  *runfolder.RedriveFile // the last redrive of which something counts; nil: none
	progress *journal.Progress
	choice   runfolder.Choice

	file runfolder.RedriveFile
}

// end describes the end of the run so far.
func (b *redriveStart[R]) end() redrive.End {
	s := b.before.Stats
	end := redrive.End{Status: b.before.Status, Failed: s.Failed, Done: b.done() && b.progress.Counts.Outstanding() == 0}
	if b.last != nil {
		end.Made = b.last.Made
	}
	return end
}

// rest is the number of pending items that no redrive took.
func (b *redriveStart[R]) rest() int64 {
	return max(0, b.before.Stats.Pending-b.progress.Counts.Outstanding())
}

// done reports whether nothing but taken items is pending or unread.
func (b *redriveStart[R]) done() bool {
	u := b.before.Unread
	unread := len(u.Splits) > 0 || u.After != nil || u.All
	return b.rest() == 0 && (!unread || b.before.Stats.Truncated)
}

// begin chooses the items and records them. It returns nil if that would change nothing.
func (b *redriveStart[R]) begin(ctx context.Context) (*runfolder.RedriveFile, error) {
	n := b.before.Redrive + 1
	trial := b.choice.Limit > 0
	if trial && b.progress.Number != b.before.Commits {
		return nil, fmt.Errorf("sink: redrive %d: another process has committed after the end of run %s: "+
			"redrive it without a Limit", n, b.run.spec.RunID)
	}
	spec := b.run.spec
	b.file = runfolder.RedriveFile{
		Library: libraryVersion(), Writer: b.run.writer, RunID: spec.RunID, Redrive: n, Made: b.end().Made,
		Started: runfolder.Time(time.Now()), Version: spec.Options.Version, Batch: storedBatch(spec), Choice: b.choice,
		Rest: b.rest(), Done: b.done(), Rests: allRests(b.before, b.last),
	}
	if !trial {
		b.file.Made++
	}
	lists := &itemLists{b.f.bucket, b.run}
	sorter := &redrive.Sorter{Store: lists}
	if err := b.takePending(ctx, sorter); err != nil {
		return nil, err
	}
	if err := b.takeFailed(ctx, sorter); err != nil {
		return nil, err
	}
	var err error
	if b.file.Taken, err = lists.write(ctx, sorter); err != nil {
		return nil, err
	}
	waits := !trial && (b.before.Stats.Held > 0 || b.progress.Counts.Outstanding() > 0)
	if nothing := len(b.file.Taken) == 0 && (trial || b.file.Done) && !waits; nothing && (trial || b.before.Stats.Failed > 0) {
		return nil, nil // else the end of a canceled run becomes a success
	}
	return &b.file, b.record(ctx)
}

// record creates redrive-<n>.json.
func (b *redriveStart[R]) record(ctx context.Context) error {
	key := b.run.folder + runfolder.RedriveName(b.file.Redrive)
	content, err := runfolder.EncodeRedriveFile(b.file)
	if err != nil {
		return fmt.Errorf("sink: encode %q: %w", key, err)
	}
	if len(content) > runfolder.MaxManifest {
		return fmt.Errorf("sink: %q would have %d bytes, at most %d are allowed: set Redrive.Limit or choose fewer items",
			key, len(content), runfolder.MaxManifest)
	}
	return b.run.explainCreate(publish.Claim(ctx, b.f.bucket, key, "application/json", content), dmap.ErrFenced)
}

// takePending takes the items that earlier redrives took and that have not settled; a trial leaves
// them waiting.
func (b *redriveStart[R]) takePending(ctx context.Context, sorter *redrive.Sorter) error {
	if b.counted == nil {
		return nil
	}
	settled := journal.NewIntervalSet(b.progress.Settled)
	parts := b.counted.Waiting
	for _, p := range b.counted.Taken {
		parts = append(parts, runfolder.TakenPart{Redrive: b.counted.Redrive, Part: p})
	}
	for _, p := range parts {
		for l, err := range unsettledLines(ctx, b.f.bucket, p.Redrive, p.Part, settled) {
			if err != nil {
				return err
			}
			if b.choice.Limit > 0 {
				b.file.Waiting = append(b.file.Waiting, p)
				break
			}
			r, err := l.record()
			if err != nil {
				return err
			}
			if err := sorter.Add(ctx, &r.Item); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeFailed takes the chosen items out of the FAILED parts, and keeps the others of these parts in
// new ones. It reads all parts, unless a trial has its items and the groups of the others are known
// without them.
func (b *redriveStart[R]) takeFailed(ctx context.Context, sorter *redrive.Sorter) error {
	chooser, err := redrive.NewChooser(b.choice, convert.Match(b.run.spec.Options.Redrive, b.before.RunID, b.before.Redrive))
	if err != nil {
		return fmt.Errorf("sink: %w", err)
	}
	t := newTaker(&itemLists{b.f.bucket, b.run}, sorter, runfolder.Failed, int(b.f.opts.PartBytes))
	left := &leftGroups{read: &failgroup.Index{}}
	if b.choice.Limit > 0 {
		left.known = knownGroups(ctx, b.f.bucket, b.run, b.before)
	}
	for _, p := range b.before.ResultFiles.Failed {
		if chooser.Full() && left.complete() {
			left.read = left.known
			break
		}
		content, err := runfolder.ReadPart(ctx, b.f.bucket, p)
		if err != nil {
			return fmt.Errorf("sink: %w", err)
		}
		err = t.take(ctx, p, content, func(r *runfolder.Record) (fields []byte, take bool, err error) {
			if take, err = chooser.Takes(r); err == nil {
				left.add(r, take)
			}
			return decisionFields(r.Reason, r.Decision), take, err
		})
		if err != nil {
			return err
		}
	}
	err = t.others.Flush(ctx)
	b.file.Items, b.file.Dropped, b.file.NotTaken = t.items, t.dropped, t.others.Parts
	b.file.Groups = runfolder.StoredGroups(left.read)
	return err
}
