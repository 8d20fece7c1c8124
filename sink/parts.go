package sink

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
)

const (
	maxAlive  = 3 // parts in memory: open ones, and those being uploaded
	recordsAs = "application/jsonl"
)

// parts collects encoded records into parts and uploads the parts in the background. It is safe for
// concurrent use.
//
// Each goroutine here belongs to a part: its upload, and the timer that closes it when it is old. A
// part is done when both have ended; flush waits for that.
type parts struct {
	bucket *blob.Bucket
	folder string // with a trailing slash
	writer string // unique, part of every name
	size   int
	age    time.Duration
	stored *atomic.Int64 // bytes of the parts that were stored; nil: nobody asks

	mu       sync.Mutex // guards the fields below
	open     [runfolder.Kinds]*part
	alive    int
	uploads  []*part
	spare    [runfolder.Kinds][][]byte
	filled   [runfolder.Kinds]bool // a part has been filled
	freed    chan struct{}         // closed and replaced whenever an upload ends
	seq      int
	written  [runfolder.Kinds][]writtenPart
	lost     losses
	reported int  // number of losses that flush has returned
	closed   bool // add accepts no more records
	window   window
}

// part is an object that is being filled or uploaded.
type part struct {
	chunk   // all its records
	kind    runfolder.Kind
	key     string
	seq     int
	timer   *time.Timer
	expired chan struct{} // closed when the timer's function has returned
	start   func()        // the upload
	cancel  context.CancelCauseFunc
	done    chan struct{} // closed when the upload has ended, well or not
}

// writtenPart is a part in the bucket, with the number that tells when it was opened.
type writtenPart struct {
	runfolder.Part
	seq int
}

func newParts(bucket *blob.Bucket, folder, writer string, opts BucketOptions) *parts {
	return &parts{
		bucket: bucket, folder: folder, writer: writer,
		size: int(opts.PartBytes), age: opts.PartAge,
		freed: make(chan struct{}),
	}
}

// add appends the records of chunks to the open parts. It waits while too many parts are being
// uploaded; when ctx ends first the records are lost. It returns the first loss of the run, also of
// an earlier call.
func (w *parts) add(ctx context.Context, chunks *[runfolder.Kinds]chunk) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		w.lose(chunks, errEnded)
		return w.lost.first()
	}
	for !w.room(chunks) {
		freed := w.freed
		w.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
		}
		w.mu.Lock()
		if ctx.Err() != nil && !w.room(chunks) {
			w.lose(chunks, context.Cause(ctx))
			return w.lost.first()
		}
	}
	for kind := range chunks {
		if c := &chunks[kind]; c.records > 0 {
			w.fill(ctx, runfolder.Kind(kind), c)
		}
	}
	return w.lost.first()
}

// room closes open parts that the chunks would overfill and reports whether all parts that they
// need may be opened.
func (w *parts) room(chunks *[runfolder.Kinds]chunk) bool {
	opening := 0
	for kind := range chunks {
		c := &chunks[kind]
		if c.records == 0 {
			continue
		}
		if p := w.open[kind]; p != nil && len(p.buf)+len(c.buf) > w.size {
			w.closePart(p)
		}
		if w.open[kind] == nil {
			opening++
		}
	}
	return w.alive+opening <= maxAlive
}

// fill appends c to the open part of a kind. It opens the part if there is none, and closes it when
// it is full.
func (w *parts) fill(ctx context.Context, kind runfolder.Kind, c *chunk) {
	p := w.open[kind]
	if p == nil {
		p = w.openPart(ctx, kind)
	}
	p.append(c, w.size)
	if len(p.buf) >= w.size {
		w.closePart(p)
	}
}

// number returns a number for a part that is written without being opened here.
func (w *parts) number() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seq++
	return w.seq
}

// openPart opens a part.
func (w *parts) openPart(ctx context.Context, kind runfolder.Kind) *part {
	w.seq++
	w.alive++
	p := &part{
		kind: kind, seq: w.seq,
		key:     w.folder + runfolder.PartName(kind, w.writer, w.seq),
		expired: make(chan struct{}),
		done:    make(chan struct{}),
	}
	if spare := w.spare[kind]; len(spare) > 0 {
		p.buf, w.spare[kind] = spare[len(spare)-1], spare[:len(spare)-1]
	} else if w.filled[kind] { // the next part will be full, too: growing its buffer would copy it twice
		p.buf = make([]byte, 0, w.size)
	}
	// The part holds records of several calls, so it outlives the contexts of each.
	ctx, p.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	p.start = func() { go w.upload(ctx, p) }
	p.timer = time.AfterFunc(w.age, func() {
		defer close(p.expired)
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.open[kind] == p {
			w.closePart(p)
		}
	})
	w.open[kind] = p
	return p
}

// closePart closes an open part and starts its upload, which flush and stage interrupt, and a loss
// (see dropUseless).
func (w *parts) closePart(p *part) {
	if w.window.commits && len(w.lost) > 0 {
		p.cancel(errUseless)
	}
	w.open[p.kind] = nil
	w.filled[p.kind] = w.filled[p.kind] || 2*len(p.buf) > w.size
	w.uploads = append(w.uploads, p)
	if p.timer.Stop() {
		close(p.expired)
	}
	p.start()
}

func (w *parts) closeAll() {
	for _, p := range w.open {
		if p != nil {
			w.closePart(p)
		}
	}
}

// upload writes a part.
func (w *parts) upload(ctx context.Context, p *part) {
	err := errGoexit
	var sum [sha256.Size]byte
	defer func() {
		p.cancel(nil)
		<-p.expired
		w.uploaded(p, sum, err)
	}()
	sum = sha256.Sum256(p.buf)
	err = publish.Create(ctx, w.bucket, p.key, recordsAs, p.buf)
}

// errUseless says why a part is not written.
var errUseless = errors.New("no commit can follow the loss of a part")

// dropUseless ends the uploads under way after a loss, if only commits make parts count: none can
// follow. A store that refuses every part would take its time for each. mu is held.
func (w *parts) dropUseless() {
	if !w.window.commits {
		return
	}
	for _, p := range w.uploads {
		p.cancel(errUseless)
	}
}

// uploaded records the end of an upload, and lets the next part be opened.
func (w *parts) uploaded(p *part, sum [sha256.Size]byte, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alive--
	w.uploads = slices.DeleteFunc(w.uploads, func(u *part) bool { return u == p })
	switch {
	case guard.Is(err, errUseless): // its items run again, as those of the lost part
	case err != nil:
		w.lost = w.lost.with(p.kind.String(), p.key, &p.chunk, err)
		w.dropUseless()
	default:
		if w.stored != nil {
			w.stored.Add(int64(len(p.buf)))
		}
		w.written[p.kind] = append(w.written[p.kind], writtenPart{seq: p.seq, Part: runfolder.Part{
			Key: p.key, Size: int64(len(p.buf)), Records: p.records, SHA256: hex.EncodeToString(sum[:]),
		}})
	}
	if cap(p.buf) <= w.size {
		w.spare[p.kind] = append(w.spare[p.kind], p.buf[:0])
	}
	p.buf = nil
	close(w.freed)
	w.freed = make(chan struct{})
	close(p.done)
}

// flush closes all open parts and waits until all records added before are stored or lost. When ctx
// ends it interrupts the uploads. It returns the losses since the last flush.
func (w *parts) flush(ctx context.Context) error {
	w.mu.Lock()
	w.closeAll()
	uploads := slices.Clone(w.uploads)
	w.mu.Unlock()
	await(ctx, uploads)
	w.mu.Lock()
	defer w.mu.Unlock()
	unreported := w.lost[w.reported:]
	w.reported = len(w.lost)
	return unreported.joined()
}

// close is the last flush: add accepts no more records.
func (w *parts) close(ctx context.Context) error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	return w.flush(ctx)
}

// lose records the loss of records that are in no part; mu is held.
func (w *parts) lose(chunks *[runfolder.Kinds]chunk, cause error) {
	for kind := range chunks {
		if c := &chunks[kind]; c.records > 0 {
			w.lost = w.lost.with(runfolder.Kind(kind).String(), "", c, cause)
		}
	}
}

// recordLoss records the loss of records that were never added.
func (w *parts) recordLoss(chunks *[runfolder.Kinds]chunk, cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lose(chunks, cause)
}

// result returns the parts that count in the order in which they were opened, and the losses.
func (w *parts) result() (files *runfolder.ResultFiles, lost []runfolder.Lost) {
	w.mu.Lock()
	defer w.mu.Unlock()
	sorted := func(kind runfolder.Kind) []runfolder.Part {
		if w.window.commits && kind != runfolder.Pending {
			return append([]runfolder.Part{}, w.window.valid[kind]...) // [] in JSON, never null
		}
		return partsOf(w.written[kind])
	}
	return &runfolder.ResultFiles{
		Failed: sorted(runfolder.Failed), Pending: sorted(runfolder.Pending), Succeeded: sorted(runfolder.Succeeded),
		Held: sorted(runfolder.Held),
	}, w.lost.listed()
}

// partsOf returns the parts of list in the order in which they were opened.
func partsOf(list []writtenPart) []runfolder.Part {
	slices.SortFunc(list, func(a, b writtenPart) int { return a.seq - b.seq })
	parts := make([]runfolder.Part, len(list))
	for i, p := range list {
		parts[i] = p.Part
	}
	return parts
}
