package sink

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/guard"
)

// Write encodes results and adds the records to the parts in memory; full parts are uploaded in the
// background. It waits while too many parts are being uploaded. An output that cannot be encoded
// has no record, and its error, of class "encode", is in the batch.Errors that Write returns. A
// *LostError names records that are lost, of this call or of an earlier one.
func (f *BucketSink[R]) Write(ctx context.Context, results []dmap.Result[R]) (err error) {
	r := f.run.Load()
	if r == nil {
		return fmt.Errorf("sink: Write of %d results outside a run", len(results))
	}
	w := writing[R]{ctx: ctx, run: r, e: r.encoders.borrow(ctx), results: results, chunkBytes: f.chunkBytes()}
	complete := false
	defer func() {
		r.encoders.giveBack(w.e)
		if !complete { // a driver ended the goroutine
			r.parts.recordLoss(resultChunks(results[w.handedOver:]), errGoexit)
		}
	}()
	if plainResults(w.e, results) {
		w.all()
	} else {
		guarded := w // a variable of its own: w stays on the stack
		guarded.allGuarded()
		w = guarded
	}
	complete = true
	err = w.err
	if last := r.addRecords(ctx, w.e); err == nil {
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

// Flush uploads all records written before and waits for that. Its error names the records that
// were lost.
func (f *BucketSink[R]) Flush(ctx context.Context) error {
	r := f.run.Load()
	if r == nil {
		return errors.New("sink: Flush outside a run")
	}
	return r.parts.flush(ctx)
}

// writing is one Write.
type writing[R any] struct {
	ctx        context.Context //nolint:containedctx // it lives as long as the call of Write
	run        *run
	e          *encoder
	results    []dmap.Result[R]
	chunkBytes int

	next       int // the result that is encoded next
	handedOver int // results whose records parts have
	rejected   batch.Errors
	err        error // of the last time that records were added
}

// all encodes the remaining results.
func (w *writing[R]) all() {
	for ; w.next < len(w.results); w.next++ {
		if err := encode(w.e, &w.results[w.next]); err != nil {
			w.reject(err)
		}
		if w.e.size() >= w.chunkBytes {
			w.err = w.run.addRecords(w.ctx, w.e)
			w.handedOver = w.next + 1
		}
	}
}

func (w *writing[R]) reject(err error) {
	if w.rejected == nil {
		w.rejected = batch.Errors{}
	}
	w.rejected[w.next] = err
}

// allGuarded is all for values whose methods a user wrote.
func (w *writing[R]) allGuarded() {
	g := guarded{
		ctx: w.ctx, encoders: w.run.encoders, e: w.e, records: len(w.results), chunkBytes: w.chunkBytes,
		encode: func(e *encoder, i int) error { return encode(e, &w.results[i]) },
		reject: func(i int, err error) { w.next = i; w.reject(err) },
	}
	g.all(func() {
		w.e = g.e
		w.err = w.run.addRecords(w.ctx, w.e)
		w.handedOver = g.next
	})
	w.e = g.e
	ownValue(w.e, new(R)) // keep nothing of the last one
}

// plainResults reports whether encoding the results calls no method of a user.
func plainResults[R any](e *encoder, results []dmap.Result[R]) bool {
	if e.records != FailuresOnly && !guard.PlainJSON(reflect.TypeFor[R]()) {
		return false
	}
	if e.inputs == InputsNone {
		return true
	}
	for i := range results {
		if e.inputs == InputsAll || results[i].Err != nil {
			return e.redact == nil && plainInput(results[i].Input) // Redact.Input may return any value
		}
	}
	return true
}
