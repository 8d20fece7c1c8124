package sink

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/redrive"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// redriven is what a run knows about the redrive that it is in.
type redriven struct {
	file   *runfolder.RedriveFile
	before *runfolder.Manifest // the end that the redrive continues
	parts  map[string]runfolder.Part
}

func newRedriven(file *runfolder.RedriveFile, before *runfolder.Manifest) *redriven {
	again := &redriven{file: file, before: before, parts: map[string]runfolder.Part{}}
	for _, p := range file.Taken {
		again.parts[redrive.TakenSplit(file.Redrive, p)] = p
	}
	return again
}

// trial reports whether the redrive reads taken items only.
func (d *redriven) trial() bool { return d.file.Choice.Limit > 0 }

// progress adds the redrive to p.
func (d *redriven) progress(p *journal.Progress, read func(ctx context.Context, part journal.TakenPart, from int64) takenItems) error {
	n := d.file.Redrive
	out := &journal.Redrive{
		Number: n, Trial: d.trial(), Done: d.file.Done, Items: d.file.Items, Read: read,
		Failed: d.before.Stats.Failed - d.file.Items, Succeeded: d.before.Stats.Succeeded,
	}
	if d.trial() {
		out.Rest = d.file.Rest
		out.Waiting = d.before.Stats.Pending
		out.Unfinished = d.before.Status != runfolder.StatusSucceeded && (!d.file.Done || out.Waiting > 0)
	}
	for _, part := range d.file.Taken {
		out.Parts = append(out.Parts, journal.TakenPart{Split: redrive.TakenSplit(n, part), Size: part.Size, Records: part.Records})
	}
	if p.Begun == nil || p.Begun.Number < n {
		begins := &journal.Begun{Number: n}
		for _, w := range d.file.Waiting {
			begins.Waiting = append(begins.Waiting, redrive.TakenSplit(w.Redrive, w.Part))
		}
		state, err := encodeState(runfolder.BucketState{Failed: d.file.NotTaken, Dropped: d.file.Dropped})
		if err != nil {
			return err
		}
		out.Begins, out.State = begins, state
	}
	p.Redrive = out
	return nil
}

// manifest makes m the manifest of the redrive. A trial leaves the pending items and the unread
// parts as they were.
func (d *redriven) manifest(m *runfolder.Manifest) {
	m.Redrive = d.file.Redrive
	if d.trial() {
		if m.Reason == "trial" { // the run is unfinished for the same reason as before
			m.Status, m.Reason = d.before.Status, d.before.Reason
		}
		m.ResultFiles.Pending = append(slices.Clone(d.before.ResultFiles.Pending), m.ResultFiles.Pending...)
		m.Unread = d.before.Unread
	}
}

// readTaken yields the items of a taken part after an offset.
func (d *redriven) readTaken(ctx context.Context, bucket *blob.Bucket, part journal.TakenPart, from int64) takenItems {
	return func(yield func(journal.TakenItem, error) bool) {
		stored, ok := d.parts[part.Split]
		if !ok {
			yield(journal.TakenItem{}, fmt.Errorf("sink: redrive %d has no part %q", d.file.Redrive, part.Split))
			return
		}
		readList(ctx, bucket, stored, from)(yield)
	}
}

func encodeState(s runfolder.BucketState) (json.RawMessage, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("sink: encode the state of a redrive: %w", err)
	}
	return text, nil
}
