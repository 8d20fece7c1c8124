package sink

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/redrive"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// redriven is what a run knows about the redrive that it is in.
type redriven struct {
	file   *runfolder.RedriveFile
	before *runfolder.Manifest // the end that the redrive continues
}

// trial reports whether the redrive reads taken items only.
func (d *redriven) trial() bool { return d.file.Choice.Limit > 0 }

// journal is what the engine knows about a redrive that has begun.
func (d *redriven) journal() *journal.Redrive {
	n := d.file.Redrive
	out := &journal.Redrive{
		Number: n, Trial: d.trial(), Done: d.file.Done, Items: d.file.Items,
		Rests: journalRests(d.file.Rests), Changed: d.file.Choice.Changed,
		Failed: d.before.Stats.Failed - d.file.Items, Succeeded: d.before.Stats.Succeeded,
	}
	if d.trial() {
		out.Rest = d.file.Rest
		out.Waiting = d.before.Stats.Pending
		out.Unfinished = d.before.Status != runfolder.StatusSucceeded && (!d.file.Done || out.Waiting > 0)
	}
	for _, part := range d.file.Taken {
		out.Parts = append(out.Parts, journal.TakenPart{Split: redrive.TakenSplit(n, part), To: part.Size})
	}
	return out
}

// progress adds the redrive to p, also with what begins it.
func (d *redriven) progress(p *journal.Progress) (err error) {
	p.Redrive = d.journal()
	n := d.file.Redrive
	if p.Begun != nil && p.Begun.Number >= n {
		return nil
	}
	begins := &journal.Begun{Number: n}
	for _, w := range d.file.Waiting {
		begins.Waiting = append(begins.Waiting, redrive.TakenSplit(w.Redrive, w.Part))
	}
	p.Redrive.Begins = begins
	p.Redrive.State, err = encodeState(runfolder.BucketState{Failed: d.file.NotTaken, Dropped: d.file.Dropped})
	return err
}

// count adds to s what the records of a trial do not have: the items that it leaves pending.
func (d *redriven) count(s *dmap.Stats) {
	if d.trial() {
		s.Read += d.file.Rest
		s.Pending += d.file.Rest
	}
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

func encodeState(s runfolder.BucketState) (json.RawMessage, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("sink: encode the state of a redrive: %w", err)
	}
	return text, nil
}
