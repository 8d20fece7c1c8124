package sink

import (
	"context"
	"reflect"
	"runtime"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/guard"
)

// A MarshalJSON of a user may end its goroutine, and must not end that of the worker. So a Write
// whose values have such methods encodes on a goroutine of its own, one for all its results. Values
// without methods are encoded where Write was called.

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
