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

// manifest makes m the manifest of the redrive. A trial leaves pending and unread what was so
// before.
func (d *redriven) manifest(m *runfolder.Manifest) {
	m.Redrive = d.file.Redrive
	if d.trial() {
		if m.Reason == "trial" { // what it left undone is undone for the same reason as before
			m.Status, m.Reason = d.before.Status, d.before.Reason
		}
		m.ResultFiles.Pending = append(slices.Clone(d.before.ResultFiles.Pending), m.ResultFiles.Pending...)
		m.Unread = d.before.Unread
	}
}
