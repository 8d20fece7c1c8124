package sink

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"

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

// Flush uploads all records written before and waits for that. Its error names the records that
// were lost.
func (f *BucketSink[R]) Flush(ctx context.Context) error {
	r := f.run.Load()
	if r == nil {
		return errors.New("sink: Flush outside a run")
	}
	return r.parts.flush(ctx)
}

// A MarshalJSON of a user may end its goroutine, and must not end that of the worker. So a Write
// whose values have methods that JSON calls encodes on a goroutine of its own, one for all its
// results. Values without such methods are encoded where Write was called.

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
		w.e.noInput = false
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

// allGuarded is all for values that may end the goroutine. An output that does is rejected; an
// input that does is left out of its record.
func (w *writing[R]) allGuarded() {
	for !guard.Returns(w.all) {
		if w.e.writes == nothing { // a driver
			runtime.Goexit()
		}
		if !w.e.exited() {
			w.reject(&encodeError{errGoexit})
			w.next++
		}
	}
}

// exited is called after a value ended the goroutine. It reports whether the record can be encoded
// once more, without the input.
func (e *encoder) exited() (again bool) {
	e.noInput = e.writes == anInput
	e.writes = nothing
	return e.noInput
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
			return plainInput(results[i].Input)
		}
	}
	return true
}

func plainInput(input any) bool { return guard.PlainJSON(reflect.TypeOf(input)) }

// pendings appends PENDING records. added is called after each.
func (e *encoder) pendings(all []dmap.Pending, added func()) {
	next := 0
	encode := func() {
		for ; next < len(all); next++ {
			e.pending(&all[next])
			e.noInput = false
			added()
		}
	}
	for !guard.Returns(encode) {
		if !e.exited() {
			next++ // not a value: a driver, whose loss the parts report
		}
	}
}
