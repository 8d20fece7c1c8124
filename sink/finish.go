package sink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/commits"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

// End writes the PENDING records and then the manifest, unless the run is to be resumed. The sink
// is free afterwards, also after an error: a run with a journal can then be resumed.
func (f *BucketSink[R]) End(ctx context.Context, end dmap.Ending) (err error) {
	r := f.run.Load()
	if r == nil || !r.began || !f.run.CompareAndSwap(r, nil) {
		return errors.New("sink: End outside a run")
	}
	f.place.Store(r.openPlace())
	if r.journal != nil {
		defer func() { err = errors.Join(err, r.journal.lock.release()) }()
	}
	if end.Resumable {
		return r.parts.close(ctx)
	}
	e := f.addPending(ctx, r, end.Pending)
	defer r.encoders.giveBack(e)
	if r.journal != nil {
		if err := f.addOutstanding(ctx, r, e, end.Pending); err != nil {
			return errors.Join(err, r.parts.close(ctx))
		}
	}
	lost := r.parts.close(ctx)
	if r.journal != nil && lost != nil {
		return lost
	}
	r.parts.promoteStaged()
	r.groups.promoteStaged()
	m := f.newManifest(r, end)
	if m.Groups, err = f.endGroups(ctx, r, m); err != nil {
		r.warn(ctx, "the groups of the failures could not be stored: readers sort the FAILED records instead", "error", err)
	}
	if err = publishManifest(ctx, f.bucket, r.folder, m); err == nil {
		f.place.Store(r.endPlace(m))
	}
	if r.journal != nil && errors.Is(err, publish.ErrExists) { // another process took the run over after the final record
		err = fmt.Errorf("sink: %w: %w", dmap.ErrFenced, err)
	}
	return errors.Join(lost, err)
}

// addOutstanding adds a PENDING record for each item that the redrive took, or that was decided
// after a hold, and that has not settled. pending are the items among them that were read: their
// records, which say more, are written already.
func (f *BucketSink[R]) addOutstanding(ctx context.Context, r *run, e *encoder, pending []dmap.Pending) error {
	if r.again == nil && r.journal.log.State.LatestRelease() == nil {
		return nil
	}
	p := r.journal.log.State.Progress()
	written := make(map[string]bool, len(pending))
	for i := range pending {
		written[pending[i].ID()] = true
	}
	for l, err := range outstanding(ctx, f.bucket, r.again, &p) {
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
	return r.addRecords(ctx, e)
}

func (f *BucketSink[R]) newManifest(r *run, end dmap.Ending) *runfolder.Manifest {
	url, _ := runfolder.Location(f.opts.URL) // validated
	m := &runfolder.Manifest{
		Library: libraryVersion(), Writer: r.writer, DestinationBucket: url,
		RunID: r.spec.RunID, Source: r.spec.Source, Records: string(f.opts.Records),
		Started: runfolder.Time(r.spec.Started), Stopped: runfolder.Time(time.Now()),
		Stats: convert.StoredStats(end.Stats), Unread: convert.StoredUnread(end.Unread),
	}
	for _, broken := range end.Broken {
		m.Broken = append(m.Broken, runfolder.Broken{Key: broken.Key, Offset: broken.Offset, Error: r.rules(f.opts).Text(broken.Err, broken.Key, maxErrorText)})
	}
	m.ResultFiles, m.Lost = r.parts.result()
	if r.journal != nil {
		m.Commits = r.journal.log.State.Next()
	}
	r.endSettings(m, &end)
	m.Status, m.Reason = status(end), end.Stats.Reason
	if r.again != nil {
		r.again.manifest(m)
	}
	if end.Err != nil {
		m.Error = errorText(end.Err)
	}
	if m.Status == runfolder.StatusSucceeded && len(m.Lost) > 0 {
		m.Status, m.Error = runfolder.StatusFailed, "records were lost: "+m.Lost[0].Error
	}
	return m
}

// endSettings adds the edits of the run to m, and the tolerance at its end.
func (r *run) endSettings(m *runfolder.Manifest, end *dmap.Ending) {
	m.Tolerance = (*runfolder.Tolerance)(&end.Tolerance)
	if r.journal != nil {
		m.Edits = runfolder.CommittedEdits(r.journal.log.State.Records())
		return
	}
	m.Edits = commits.StoredEdits(journal.Edits{Count: end.EditCount, Newest: convert.Each(end.Edits, func(e dmap.Edit) journal.Edit { return journal.Edit(e) })})
}

// addPending adds PENDING records to the parts. It returns an encoder, which is empty.
func (f *BucketSink[R]) addPending(ctx context.Context, r *run, all []dmap.Pending) *encoder {
	g := guarded{
		ctx: ctx, encoders: r.encoders, e: r.encoders.borrow(ctx), records: len(all), chunkBytes: f.chunkBytes(),
		encode: func(e *encoder, i int) error { e.pending(&all[i]); return nil },
		reject: func(int, error) {}, // no record has an output
	}
	g.all(func() { _ = r.addRecords(ctx, g.e) }) // close returns the loss
	_ = r.addRecords(ctx, g.e)
	return g.e
}
