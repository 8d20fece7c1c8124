package dmap

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// worker runs calls on one goroutine, a task at a time.
type worker[T, R any] struct {
	e       *engine[T, R]
	number  int
	wake    chan struct{} // where it waits for work
	t       task[T, R]
	settled int // items of t settled so far
	calls   int // made for t so far
	clock   stopwatch
	closed  bool // the chunk of the last task is delivered, and the gate has not been told
	exiting bool // the function called runtime.Goexit
	home    bool // the gate sent the worker home

	// current is the call that runs. Who takes it out of here owns it and what follows: the worker when the function
	// returns, or the watch when it abandons the call and leaves &gone. Without Options.AbandonAfter it may be stale
	// between the calls of one task.
	current atomic.Pointer[callContext]
	gone    callContext
	began   atomic.Int64 // of the current call, ns since the run started; kept if calls have a timeout
	warned  *callContext // the call that was reported as stuck; the watch's own
}

// run works until the gate sends the worker home. A worker that replaces another starts with the rest of its task.
func (w *worker[T, R]) run() {
	defer w.leave()
	held := w.t.chunk != nil
	for {
		if held && !w.process() {
			return
		}
		var ok bool
		w.t, ok = w.e.gate.Next(held, w.closed, w.wake)
		if w.closed = false; !ok {
			w.home = true
			return
		}
		held = true
	}
}

// leave ends the goroutine. After a Goexit in the function a new goroutine goes on where this one stopped; a Goexit in a
// sink ends the run.
func (w *worker[T, R]) leave() {
	switch {
	case w.lost(): // abandoned: another worker has taken over
		return
	case w.exiting:
		w.exiting = false
		w.afterExit(ErrGoexit)
		go w.run()
		return
	case !w.home:
		w.e.sinkBroke("write", ErrGoexit)
		w.e.gate.Quit()
	}
	w.e.crew.remove(w)
	w.e.working.Done()
}

// lost reports whether the watch took the current call away.
func (w *worker[T, R]) lost() bool { return w.e.opts.AbandonAfter > 0 && w.current.Load() == &w.gone }

// process works on the task until it is done or the gate wants the worker back. It is false if the worker was replaced.
func (w *worker[T, R]) process() bool {
	work := w.processItems
	if w.e.inBatches {
		work = w.processBatch
	}
	if !work() {
		return false
	}
	w.current.Store(nil)
	w.e.countCalls(w.t.chunk, w.calls, w.t.attempt)
	if w.settled > 0 && w.t.chunk.left.Add(int32(-w.settled)) == 0 {
		w.e.deliver(w.t.chunk)
		w.closed = true
	}
	w.settled, w.calls = 0, 0
	w.t = task[T, R]{}
	return true
}

func (w *worker[T, R]) processItems() bool {
	e, c, lo := w.e, w.t.chunk, w.t.lo
	contexts := make([]callContext, w.t.hi-lo)
	shared := w.t.context()
	began, before := e.sinceStart(), w.calls
	w.clock = stopwatch{last: began, from: lo, every: e.laps()}
	for ; w.t.lo < w.t.hi; w.t.lo++ {
		if e.gate.Yield() {
			w.lap(w.t.lo)
			e.gate.GiveBack(w.t)
			break
		}
		i := w.t.lo
		if (c.items[i].Err != nil || e.commits.caution != nil) && w.settledWithoutCall(i) {
			continue
		}
		ctx := &contexts[i-lo]
		c.context(ctx, shared, i)
		value, err := invoke(w, ctx, e.fn, c.items[i].Value, nil)
		if w.lost() {
			return false
		}
		w.calls++
		w.finishItem(i, value, err)
	}
	w.lap(w.t.lo)
	e.noteTime(w.calls-before, w.clock.last-began)
	return true
}

// finishItem settles item i after its call, or has it called again later.
func (w *worker[T, R]) finishItem(i int, value R, err error) {
	if err == nil {
		w.t.chunk.note(i, w.t.attempt, value, nil, 0)
		w.t.chunk.slots[i].state = succeeded
		w.settled++
		w.clock.settled++
		if i+1-w.clock.from >= w.clock.every {
			w.lap(i + 1)
		}
		return
	}
	elapsed := w.lap(i + 1)
	if wait, again := w.finish(i, value, err, elapsed); again {
		w.e.gate.Later(task[T, R]{chunk: w.t.chunk, lo: i, hi: i + 1, attempt: w.t.attempt + 1}, 1, wait)
	}
}

// lap shares the time since the last lap among the items before to, whose calls it was spent on, and counts those that
// have succeeded. It returns what each took.
func (w *worker[T, R]) lap(to int) time.Duration {
	n := to - w.clock.from
	if n == 0 {
		return 0
	}
	now := w.e.sinceStart()
	each := (now - w.clock.last) / time.Duration(n)
	for i := w.clock.from; w.t.chunk.keeps && i < to; i++ {
		if s := &w.t.chunk.slots[i]; s.state == succeeded {
			s.elapsed = each
		}
	}
	w.e.counts.shard(w.number).Add(w.clock.settled)
	w.clock = stopwatch{last: now, from: to, every: w.clock.every}
	return each
}

func (w *worker[T, R]) processBatch() bool {
	e, c := w.e, w.t.chunk
	if e.gate.Yield() {
		e.gate.GiveBack(w.t)
		return true
	}
	if w.t.picks == nil {
		w.t.picks = make([]int, 0, len(c.items))
		for i := range c.items {
			switch {
			case w.settledWithoutCall(i):
			case e.commits.caution.suspect(c, i) > 0: // alone, so that only it is blamed
				e.gate.GiveBack(task[T, R]{chunk: c, picks: []int{i}, attempt: w.t.attempt})
			default:
				w.t.picks = append(w.t.picks, i)
			}
		}
	}
	if len(w.t.picks) == 0 {
		return true
	}
	items := c.items[:len(c.items):len(c.items)]
	if len(w.t.picks) < len(items) {
		items = make([]Item[T], len(w.t.picks))
		for k, i := range w.t.picks {
			items[k] = c.items[i]
		}
	}
	began := e.sinceStart()
	ctx := &callContext{}
	c.context(ctx, w.t.context(), w.t.picks[0])
	values, err := invoke(w, ctx, e.batchFn, items, w.t.picks)
	if w.lost() {
		return false
	}
	elapsed := e.sinceStart() - began
	w.calls++
	w.finishBatch(values, err, elapsed)
	return true
}

// finishBatch settles the items of a batch call and has the failed ones called again together.
func (w *worker[T, R]) finishBatch(values []R, err error, elapsed time.Duration) {
	var retry []int
	var longest time.Duration
	errs := spread(len(w.t.picks), len(values), err)
	for k := range w.t.picks {
		var value R
		var err error
		if errs != nil {
			err = errs[k]
		}
		if k < len(values) {
			value = values[k]
		}
		if wait, again := w.finish(w.t.picks[k], value, err, elapsed); again {
			retry = append(retry, w.t.picks[k])
			longest = max(longest, wait)
		}
	}
	if len(retry) > 0 {
		w.e.gate.Later(task[T, R]{chunk: w.t.chunk, picks: retry, attempt: w.t.attempt + 1}, 1, longest)
	}
}

// afterExit settles the current call, which never returned, with err; the rest of the task is still to be done.
func (w *worker[T, R]) afterExit(err error) {
	w.calls++
	if w.e.inBatches {
		w.finishBatch(nil, err, 0)
		w.t.picks = []int{}
		return
	}
	var zero R
	w.finishItem(w.t.lo, zero, err)
	w.t.lo++
}

// settledWithoutCall fails an item that came without a value, or that was in flight in too many deaths.
func (w *worker[T, R]) settledWithoutCall(i int) bool {
	c := w.t.chunk
	err := c.items[i].Err
	if err != nil {
		err = &ReadError{err}
	} else if deaths := w.e.commits.caution.suspect(c, i); deaths > 0 && deaths >= w.e.opts.PoisonAfter {
		err = &PoisonError{deaths}
	}
	if err == nil {
		return false
	}
	var zero R
	c.note(i, 0, zero, err, 0)
	w.fail(i, 0, err)
	return true
}

// finish settles item i after a call, or leaves it pending, or says when it is to be called again.
func (w *worker[T, R]) finish(i int, value R, err error, elapsed time.Duration) (wait time.Duration, again bool) {
	c, attempt := w.t.chunk, w.t.attempt
	if err == nil {
		c.note(i, attempt, value, nil, elapsed)
		c.slots[i].state = succeeded
		w.e.counts.shard(w.number).Add(1)
		w.settled++
		return 0, false
	}
	var zero R
	c.note(i, attempt, zero, err, elapsed)
	next, wait := w.e.afterError(err, attempt)
	switch next {
	case failed:
		w.fail(i, attempt, err)
	case skipped:
		c.slots[i].state = skipped
		w.e.counts.skipped.Add(1)
		w.settled++
	}
	return wait, next == unsettled && wait >= 0
}

// afterError decides what an error of a call means for its item: it has failed, is skipped, or stays unsettled, and then
// is called again after wait, or not at all in this run if wait is negative. A panic in a method of the error, or in
// Retryable, is a failure.
func (e *engine[T, R]) afterError(err error, attempt int) (next state, wait time.Duration) {
	defer func() {
		if recover() != nil {
			next, wait = failed, 0
		}
	}()
	if errors.Is(err, ErrSkip) {
		return skipped, 0
	}
	if (e.callsCtx.Err() != nil || e.runCtx.Err() != nil) && interrupted(err, context.Cause(e.callsCtx)) {
		return unsettled, -1
	}
	wait, again := e.opts.Retry.again(attempt, err, rand.Float64())
	switch {
	case !again:
		return failed, 0
	case e.stopping.Load():
		return unsettled, -1
	}
	return unsettled, wait
}

// interrupted says whether an error that came when the calls were cancelled may come from that. The cause may itself hold
// errors that are final: those of the items that were too many.
func interrupted(err, cause error) bool {
	return !final(err) || errors.Is(err, context.Canceled) || errors.Is(err, ErrStuck) || cause != nil && errors.Is(err, cause)
}

func (w *worker[T, R]) fail(i, attempt int, err error) {
	w.t.chunk.slots[i].state = failed
	w.settled++
	w.e.failed(&ItemError{Info: w.t.chunk.info(i, attempt), Err: err})
}

// invoke calls fn, for the item of ctx or for those that items names.
func invoke[T, R, In, Out any](w *worker[T, R], ctx *callContext, fn func(context.Context, In) (Out, error), in In, items []int) (out Out, err error) {
	returned := false
	defer func() { w.end(ctx, returned, recover(), &err) }()
	if k := w.e.commits.caution; k != nil {
		leave, err := k.enter(w.e.callsCtx, w.t.chunk, items, w.t.lo)
		if err != nil {
			returned = true
			return out, err
		}
		defer leave()
	}
	w.begin(ctx)
	if w.e.opts.Timeout == 0 {
		out, err = fn(ctx, in)
	} else {
		limited, cancel := context.WithTimeout(ctx, w.e.opts.Timeout)
		defer cancel()
		out, err = fn(limited, in)
		err = timedOut(limited, ctx, err)
	}
	returned = true
	return out, err
}

func (w *worker[T, R]) begin(ctx *callContext) {
	if w.e.opts.Timeout > 0 {
		w.began.Store(int64(w.e.sinceStart()))
	}
	w.current.Store(ctx)
}

// end closes a call that returned, panicked, or called Goexit: then nothing else was recovered, and the goroutine ends.
func (w *worker[T, R]) end(ctx *callContext, returned bool, panicked any, err *error) {
	if w.e.opts.AbandonAfter > 0 && !w.current.CompareAndSwap(ctx, nil) {
		return
	}
	switch {
	case panicked != nil:
		*err = Recovered(panicked)
	case !returned:
		w.exiting = true
	}
}

// timedOut makes sure that an error after the end of a call's own time says so, whatever the function made of it.
func timedOut(limited, parent context.Context, err error) error {
	if err == nil || parent.Err() != nil || limited.Err() == nil || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
}
