package dmap

import (
	"context"
	"time"
)

// The events of a run and of its calls, on the side of the engine and of the workers.

// observedCall is the current call of a worker as its observer sees it.
type observedCall struct {
	ctx   context.Context //nolint:containedctx // that the function has got
	event CallStart
	began time.Duration

	abandoned bool
}

// observeCall reports a call that starts. It returns the context that the function gets.
func (w *worker[T, R]) observeCall(ctx *callContext) context.Context {
	e := CallStart{Info: ctx.info(), Items: 1, Bytes: w.callBytes()}
	if w.job.inBatches {
		e.Items = len(w.picks)
	}
	given := w.observer.callStarted(ctx, e)
	w.observed = observedCall{ctx: given, event: e, began: w.clock.now()}
	return given
}

// called counts a call that has ended with err, and reports it.
func (w *worker[T, R]) called(err error) {
	w.calls++
	if w.observer != nil {
		w.observeEnd(err)
	}
}

func (w *worker[T, R]) observeEnd(err error) {
	o := &w.observed
	w.observer.callEnded(o.ctx, CallEnd{
		CallStart: o.event, Err: err, Elapsed: w.clock.now() - o.began, Abandoned: o.abandoned,
	})
}

// observeRetries reports the items of a batch that are called again, with the errors of all items.
func (w *worker[T, R]) observeRetries(again []int, errs []error, wait time.Duration) {
	for k, i := range w.picks {
		if len(again) > 0 && again[0] == i {
			w.observer.retry(w.task.chunk.info(i, w.task.attempt), errs[k], wait)
			again = again[1:]
		}
	}
}
