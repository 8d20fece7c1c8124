package sink

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/ownresults"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

// ErrRunExists is for errors.Is.
var (
	ErrRunExists = errors.New("the results folder already holds a run")
)

// BucketSink writes results, and the record of the run, into the run's folder in a bucket. [Bucket]
// makes one. It serves one run at a time.
type BucketSink[R any] struct {
	bucket *blob.Bucket
	prefix string
	opts   BucketOptions
	wrong  error
	run    atomic.Pointer[run] // nil outside a run
}

// run is the state of a BucketSink from OpenJournal, or Begin, to End.
type run struct {
	spec     dmap.RunSpec // Started is that of the run's first process
	folder   string
	writer   string
	journal  *runJournal // nil: the run has no journal, or one elsewhere
	began    bool
	parts    *parts
	encoders *encoders
	file     *runfolder.RunFile // as an earlier process wrote it; nil: there was none
	again    *redriven          // nil: the run is not redriven
}

// Bucket returns a sink that writes into prefix/<run ID>/ of bucket: the results as JSON lines in
// parts SUCCEEDED_*, FAILED_* and PENDING_*, and at the end a manifest, which lists the parts.
// Readers trust only the manifest: see results.Load. A run without a manifest is open: a call with
// the same run ID resumes it from its commits. In a folder of this host (fileblob) an OS lock keeps
// other processes from the run, but not over network file systems. docs/format.md specifies the
// folder. At most one BucketOptions may be given.
func Bucket[R any](bucket *blob.Bucket, prefix string, opts ...BucketOptions) *BucketSink[R] {
	f := &BucketSink[R]{bucket: bucket, prefix: prefix}
	var errs []error
	if bucket == nil {
		errs = append(errs, errors.New("sink: bucket is nil"))
	}
	if len(opts) > 1 {
		errs = append(errs, fmt.Errorf("sink: %d BucketOptions: want at most one", len(opts)))
	}
	if len(opts) > 0 {
		f.opts = opts[0]
	}
	if err := runfolder.CheckPrefix(prefix); err != nil {
		errs = append(errs, fmt.Errorf("sink: %w", err))
	}
	f.wrong = errors.Join(append(errs, f.opts.validate())...)
	f.opts = f.opts.withDefaults()
	return f
}

// Validate returns all errors of the arguments of Bucket, joined, without any I/O.
func (f *BucketSink[R]) Validate() error { return f.wrong }

// ResultFolder is where the sink writes: a listing leaves it out.
func (f *BucketSink[R]) ResultFolder() ownresults.Folder {
	prefix := strings.TrimSuffix(f.prefix, "/")
	if prefix != "" {
		prefix += "/"
	}
	return ownresults.Folder{Bucket: f.bucket, Prefix: prefix}
}

// ConcurrentWrites marks BucketSink as a [dmap.ConcurrentSink].
func (f *BucketSink[R]) ConcurrentWrites() {}

// BorrowsResults marks BucketSink as a [dmap.BorrowingSink]: Write encodes the records before it
// returns.
func (f *BucketSink[R]) BorrowsResults() {}

// newRun starts to serve a run.
func (f *BucketSink[R]) newRun(b dmap.RunSpec) (*run, error) {
	if f.wrong != nil {
		return nil, f.wrong
	}
	folder, err := runfolder.Folder(f.prefix, b.RunID)
	if err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	writer := rand.Text()[:16] // 80 bits
	r := &run{
		spec: b, folder: folder, writer: writer,
		parts: newParts(f.bucket, folder, writer, f.opts), encoders: newEncoders(f.opts),
	}
	if !f.run.CompareAndSwap(nil, r) {
		return nil, fmt.Errorf("sink: folder %q: this sink is already writing a run", folder)
	}
	return r, nil
}

// Begin creates run.json in the folder of the run, unless OpenJournal has. ErrRunExists: there is
// one already.
func (f *BucketSink[R]) Begin(ctx context.Context, b dmap.RunSpec) error {
	if r := f.run.Load(); r != nil && r.journal != nil && !r.began && r.spec.RunID == b.RunID {
		r.began = true
		return nil
	}
	r, err := f.newRun(b)
	if err != nil {
		return err
	}
	if err = f.beginFile(ctx, r, b.Resumed); err != nil {
		f.run.Store(nil)
		return err
	}
	r.began = true
	return nil
}

// beginFile creates run.json, or finds it in a run that resumes from a journal that is elsewhere.
func (f *BucketSink[R]) beginFile(ctx context.Context, r *run, resumed bool) error {
	if resumed {
		file, err := f.loadRunFile(ctx, r)
		if err != nil {
			return err
		}
		if file != nil {
			with := &begunWith{file.Version, file.Batch}
			if r.spec.Redrive > 0 {
				with = nil // the sink that keeps the journal knows what the redrive was begun with
			}
			if err := f.resumeFile(r, file); err != nil {
				return err
			}
			return f.sameSpec(r, file, with)
		}
	}
	return r.explainCreate(f.createRunFile(ctx, r), ErrRunExists)
}

// Write encodes results and adds the records to the parts in memory; full parts are uploaded in the
// background. It waits while too many parts are being uploaded. An output that cannot be encoded
// has no record, and its error, of class "encode", is in the batch.Errors that Write returns. A
// *LostError names records that are lost, of this call or of an earlier one.
func (f *BucketSink[R]) Write(ctx context.Context, results []dmap.Result[R]) (err error) {
	r := f.run.Load()
	if r == nil {
		return fmt.Errorf("sink: Write of %d results outside a run", len(results))
	}
	e := r.encoders.borrow(ctx)
	defer r.encoders.giveBack(e)
	w := writing[R]{ctx: ctx, run: r, e: e, results: results, chunkBytes: f.chunkBytes()}
	complete := false
	defer func() {
		if !complete { // a driver ended the goroutine
			r.parts.recordLoss(resultChunks(results[w.handedOver:]), errGoexit)
		}
	}()
	if plainResults(e, results) {
		w.all()
	} else {
		guarded := w // a variable of its own: w stays on the stack
		guarded.allGuarded()
		w = guarded
	}
	complete = true
	err = w.err
	if last := r.addRecords(ctx, e); err == nil {
		err = last
	}
	if err == nil && len(w.rejected) > 0 {
		return w.rejected
	}
	return err
}

// maxChunk is how many bytes one Write encodes before it adds them to the parts. A worker that
// waits for uploads holds this.
const maxChunk = 1 << 20

func (f *BucketSink[R]) chunkBytes() int { return min(maxChunk, int(f.opts.PartBytes)) }

// addRecords adds the records that e has encoded to the parts.
func (r *run) addRecords(ctx context.Context, e *encoder) error {
	err := r.parts.add(ctx, &e.chunks)
	e.reset()
	return err
}

// Flush uploads all records written before and waits for that. Its error names the records that
// were lost.
func (f *BucketSink[R]) Flush(ctx context.Context) error {
	r := f.run.Load()
	if r == nil {
		return errors.New("sink: Flush outside a run")
	}
	return r.parts.flush(ctx)
}

// End writes the PENDING records and then the manifest, unless the run is to be resumed. The sink
// is free afterwards, also after an error: a run with a journal can then be resumed.
func (f *BucketSink[R]) End(ctx context.Context, end dmap.Ending) (err error) {
	r := f.run.Load()
	if r == nil || !r.began || !f.run.CompareAndSwap(r, nil) {
		return errors.New("sink: End outside a run")
	}
	if r.journal != nil {
		defer func() { err = errors.Join(err, r.journal.lock.release()) }()
	}
	if end.Resumable {
		return r.parts.close(ctx)
	}
	e := r.encoders.borrow(ctx)
	defer r.encoders.giveBack(e)
	e.pendings(end.Pending, func() {
		if e.size() >= f.chunkBytes() {
			_ = r.addRecords(ctx, e) // close returns the loss
		}
	})
	_ = r.addRecords(ctx, e)
	if r.again != nil {
		if err := f.addOutstanding(ctx, r, e, end.Pending); err != nil {
			return errors.Join(err, r.parts.close(ctx))
		}
	}
	lost := r.parts.close(ctx)
	if r.journal != nil && lost != nil {
		return lost
	}
	r.parts.promoteStaged()
	err = publishManifest(ctx, f.bucket, r.folder, f.newManifest(r, end))
	if r.journal != nil && errors.Is(err, publish.ErrExists) { // another process took the run over after the final record
		err = fmt.Errorf("sink: %w: %w", dmap.ErrFenced, err)
	}
	return errors.Join(lost, err)
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
		m.Broken = append(m.Broken, runfolder.Broken{Key: broken.Key, Offset: broken.Offset, Error: errorText(broken.Err)})
	}
	m.ResultFiles, m.Lost = r.parts.result()
	if r.journal != nil {
		m.Commits = r.journal.state.next()
	}
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
