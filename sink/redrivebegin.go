package sink

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/errtext"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/redrive"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// takenBytes is the size of a part of taken items.
const takenBytes = 4 << 20

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

	seq  int // of TAKEN parts
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
		Rest: b.rest(), Done: b.done(),
	}
	if !trial {
		b.file.Made++
	}
	sorter := &redrive.Sorter{Store: b}
	if err := b.takePending(ctx, sorter); err != nil {
		return nil, err
	}
	if err := b.takeFailed(ctx, sorter); err != nil {
		return nil, err
	}
	out := redrive.PartWriter{Limit: takenBytes, Write: b.Write}
	if err := sorter.Each(ctx, func(text []byte) error { return out.Add(ctx, text) }); err != nil {
		return nil, err
	}
	if err := out.Flush(ctx); err != nil {
		return nil, err
	}
	b.file.Taken = out.Parts
	if nothing := len(b.file.Taken) == 0 && (trial || b.file.Done); nothing && (trial || b.before.Stats.Failed > 0) {
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
// new ones.
func (b *redriveStart[R]) takeFailed(ctx context.Context, sorter *redrive.Sorter) error {
	chooser, err := redrive.NewChooser(b.choice, b.match())
	if err != nil {
		return fmt.Errorf("sink: %w", err)
	}
	others := redrive.PartWriter{Limit: int(b.f.opts.PartBytes), Write: b.writeFailed}
	for _, p := range b.before.ResultFiles.Failed {
		if chooser.Full() {
			break
		}
		if err := b.takeFrom(ctx, p, chooser, sorter, &others); err != nil {
			return err
		}
	}
	err = others.Flush(ctx)
	b.file.NotTaken = others.Parts
	return err
}

// takeFrom is takeFailed for one part.
func (b *redriveStart[R]) takeFrom(ctx context.Context, p runfolder.Part, c *redrive.Chooser, sorter *redrive.Sorter, others *redrive.PartWriter) error {
	content, err := runfolder.ReadPart(ctx, b.f.bucket, p)
	if err != nil {
		return fmt.Errorf("sink: %w", err)
	}
	var rest [][]byte
	var taken int64
	for line := int64(1); len(content) > 0; line++ {
		end := bytes.IndexByte(content, '\n') + 1
		text := content[:end]
		content = content[end:]
		r, err := runfolder.DecodeRecord(text)
		if err != nil {
			return fmt.Errorf("sink: part %q line %d: %w", p.Key, line, err)
		}
		take, err := c.Takes(r)
		if err != nil {
			return fmt.Errorf("sink: part %q line %d: %w", p.Key, line, err)
		}
		if !take {
			rest = append(rest, text)
			continue
		}
		taken++
		if err := sorter.Add(ctx, &r.Item); err != nil {
			return err
		}
	}
	if taken == 0 {
		return nil
	}
	b.file.Items += taken
	b.file.Dropped = append(b.file.Dropped, p.Key)
	for _, text := range rest {
		if err := others.Add(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// match is Redrive.Match for records, nil if there is none.
func (b *redriveStart[R]) match() func(*runfolder.Record) (bool, error) {
	match := b.run.spec.Options.Redrive.Match
	if match == nil {
		return nil
	}
	return func(r *runfolder.Record) (ok bool, err error) {
		item := &dmap.ItemError{
			Info: dmap.Info{
				RunID: b.before.RunID, Redrive: b.before.Redrive, Split: r.Split, Key: r.Key, Offset: r.Offset, Index: r.Index,
				Attempt: r.Attempts,
			},
			Err: &recordError{class: r.Class, text: r.Error},
		}
		return ok, guarded("Redrive.Match", func() { ok = match(item) })
	}
}

// recordError is the error of a record.
type recordError struct{ class, text string }

func (e *recordError) Error() string { return e.text }

// Class returns the class that the error was stored with.
func (e *recordError) Class() string { return e.class }

// guarded calls a function of the user on a goroutine of its own. A panic or a Goexit is an error.
func guarded(name string, f func()) (err error) {
	returned := guard.Returns(func() {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("%s: panic: %s", name, errtext.PanicText(p, maxErrorText))
			}
		}()
		f()
	})
	if !returned {
		err = fmt.Errorf("%s: %w", name, dmap.ErrGoexit)
	}
	return err
}

// Write stores lines of taken items: as a run for the Sorter, or as a part of the redrive.
func (b *redriveStart[R]) Write(ctx context.Context, content []byte, records int64) (runfolder.Part, error) {
	b.seq++
	return b.store(ctx, runfolder.TakenName(b.run.writer, b.seq), content, records)
}

// writeFailed stores FAILED records.
func (b *redriveStart[R]) writeFailed(ctx context.Context, content []byte, records int64) (runfolder.Part, error) {
	return b.store(ctx, runfolder.PartName(runfolder.Failed, b.run.writer, b.run.parts.number()), content, records)
}

func (b *redriveStart[R]) store(ctx context.Context, name string, content []byte, records int64) (runfolder.Part, error) {
	return storePart(ctx, b.f.bucket, b.run.folder+name, content, records)
}

// Read returns a piece of what Write stored.
func (b *redriveStart[R]) Read(ctx context.Context, p runfolder.Part, offset, length int64) ([]byte, error) {
	return publish.ReadRange(ctx, b.f.bucket, p.Key, offset, length)
}

// Delete removes a run of the Sorter; results.Clean does if this fails.
func (b *redriveStart[R]) Delete(ctx context.Context, p runfolder.Part) {
	_ = b.f.bucket.Delete(ctx, p.Key)
}
