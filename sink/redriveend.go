package sink

import (
	"context"
	"slices"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// addOutstanding adds a PENDING record for each item that the redrive took and that has not
// settled. pending are the items among them that were read: their records, which say more, are
// written already.
func (f *BucketSink[R]) addOutstanding(ctx context.Context, r *run, e *encoder, pending []dmap.Pending) error {
	written := make(map[string]bool, len(pending))
	for i := range pending {
		written[pending[i].ID()] = true
	}
	settled := journal.NewIntervalSet(r.journal.state.progress().Settled)
	for _, p := range r.again.file.Taken {
		for l, err := range unsettledLines(ctx, f.bucket, r.again.file.Redrive, p, settled) {
			if err != nil {
				return err
			}
			record, err := l.record()
			if err != nil {
				return err
			}
			if written[record.ID] {
				continue
			}
			c := &e.chunks[runfolder.Pending]
			c.buf = append(c.buf, l.text...)
			c.addRecord(&dmap.Info{RunID: r.spec.RunID, Key: record.Key, Offset: record.Offset})
			if e.size() >= f.chunkBytes() {
				if err := r.addRecords(ctx, e); err != nil {
					return err
				}
			}
		}
	}
	return r.addRecords(ctx, e)
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

// endRedrive makes m the manifest of a redrive that sink.End ends. p is the progress of the run.
func (e *ender) endRedrive(ctx context.Context, m *runfolder.Manifest, p journal.Progress) error {
	before, n := e.again.before, e.again.file.Redrive
	m.Redrive = n
	if p.Begun == nil || p.Begun.Number < n { // nothing of it counts: the results are those from before
		m.ResultFiles, m.Stats, m.Unread = before.ResultFiles, before.Stats, before.Unread
		return nil
	}
	seq := 0
	out := partWriter{ctx: ctx, limit: DefaultPartBytes, write: func(ctx context.Context, content []byte, records int64) (runfolder.Part, error) {
		seq++
		return storePart(ctx, e.bucket, e.folder+runfolder.PartName(runfolder.Pending, e.writer, seq), content, records)
	}}
	settled := journal.NewIntervalSet(p.Settled)
	for _, part := range e.again.file.Taken {
		for l, err := range unsettledLines(ctx, e.bucket, n, part, settled) {
			if err == nil {
				err = out.add(l.text)
			}
			if err != nil {
				return err
			}
		}
	}
	if err := out.flush(); err != nil {
		return err
	}
	m.ResultFiles.Pending = append(m.ResultFiles.Pending, out.parts...)
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
