package dmap

import (
	"context"
	"sync"
	"time"

	"github.com/go-dmap/dmap/internal/gate"
	"github.com/go-dmap/dmap/internal/journal"
)

// workers is what the workers of a run share.
type workers[T, R any] struct {
	job        job[T, R]
	opts       Options
	clock      runClock
	gate       *gate.Gate[task[T, R]]
	pace       *pace
	tally      *tally
	stopper    *stopper
	watchdog   *watchdog
	delivery   *delivery[T, R]
	quarantine *quarantine // nil: no caution is needed
	texts      longTexts
	observer   *observing // nil: there is none
	spending   *spending
	meter      *meter
	keepsHeld  bool // a sink keeps held items
	limited    bool // by a budget

	started int            // number of the next worker; only the gate starts workers, under its lock
	running sync.WaitGroup // the workers that the gate has started
}

// job is the function of the user.
type job[T, R any] struct {
	fn        func(context.Context, T) (R, error)
	batchFn   func(context.Context, []Item[T]) ([]R, error)
	inBatches bool // batchFn is called, not fn
}

// start starts a worker.
func (s *workers[T, R]) start() {
	w := s.newWorker(s.started)
	s.started++
	s.running.Add(1)
	go w.run()
}

func (s *workers[T, R]) newWorker(number int) *worker[T, R] {
	w := &worker[T, R]{workers: s, number: number, wake: make(chan struct{}, 1)}
	w.takeOver = func() { s.replace(w) }
	s.watchdog.add(&w.watched)
	return w
}

// replace has a new worker continue the task of one whose call was abandoned.
func (s *workers[T, R]) replace(lost *worker[T, R]) {
	w := s.newWorker(lost.number)
	w.grant = lost.grant
	w.task, w.next, w.picks, w.settled, w.calls = lost.task, lost.next, lost.picks, lost.settled, lost.calls
	w.observed = lost.observed
	w.observed.abandoned = true
	w.timer = callTimer{last: s.clock.now(), from: w.next, every: 1}
	go func() {
		w.afterExit(ErrStuck)
		w.run()
	}()
}

// worker runs calls on one goroutine, a task at a time.
type worker[T, R any] struct {
	*workers[T, R]
	watched
	number   int
	wake     chan struct{} // where it waits for work
	task     task[T, R]
	grant    gate.Grant // what the gate allows for the task
	next     int        // the item of the task that is called, or is to be
	picks    []int      // of a batch: the items that are called together; nil: not chosen yet
	settled  int        // items of the task that are settled, or have moved to another chunk
	calls    int        // made for the task so far
	timer    callTimer
	refused  bool // the gate wants the worker back before anything of the task is done
	closed   bool // the chunk of the last task is delivered, and the gate does not know it yet
	exiting  bool // the function called runtime.Goexit
	released bool // the gate has no more work for the worker
	observed observedCall
}

// run works until the gate has no more work. A worker that replaces another starts with the rest of
// its task.
func (w *worker[T, R]) run() {
	defer w.leave()
	working := w.task.chunk != nil
	for {
		if working && !w.process() {
			return
		}
		var ok bool
		w.task, w.grant, ok = w.gate.Next(working, w.closed, w.wake)
		if w.closed = false; !ok {
			w.released = true
			return
		}
		working = true
	}
}

// leave runs at the end of the goroutine. After a Goexit in the function a new goroutine continues
// the task; a Goexit in a sink ends the run.
func (w *worker[T, R]) leave() {
	switch {
	case w.lost(): // another worker has taken over
		return
	case w.exiting:
		w.exiting = false
		w.afterExit(ErrGoexit)
		go w.run()
		return
	case !w.released:
		w.delivery.sinks.fail("write", ErrGoexit)
		w.gate.Quit()
	}
	w.watchdog.remove(&w.watched)
	w.running.Done()
}

// lost reports whether the watchdog has taken the current call away.
func (w *worker[T, R]) lost() bool { return w.opts.AbandonAfter > 0 && w.abandoned() }

// process works on the task until it is done or the gate wants the worker back. It returns false if
// the worker was replaced.
func (w *worker[T, R]) process() bool {
	work := w.processItems
	if w.job.inBatches {
		work = w.processBatch
	}
	w.inCall.Store(true)
	if w.mayCall() && !work() {
		return false
	}
	w.current.Store(nil)
	w.inCall.Store(false)
	c := w.task.chunk
	if w.grant.Limited() {
		w.giveBackCalls(c)
	}
	switch {
	case w.refused:
		w.gate.GiveBack(w.task, w.load(c))
	case w.settled == len(c.items):
		w.countCalls()
		w.delivery.deliver(c)
		w.closed = true
	default: // some items are pending
		w.countCalls()
	}
	w.task, w.next, w.picks = task[T, R]{}, 0, nil
	w.settled, w.calls, w.refused = 0, 0, false
	return true
}

// load is what c adds to the queues of the gate.
func (w *worker[T, R]) load(c *chunk[T, R]) gate.Load { return w.delivery.inflight.load(c) }

// move moves some unsettled items of the task, in source order, to a chunk of their own.
func (w *worker[T, R]) move(items ...int) *chunk[T, R] {
	w.settled += len(items)
	return w.delivery.inflight.move(w.task.chunk, items)
}

// mayCall announces the items of the task, if that is needed. It returns false if the run stops.
func (w *worker[T, R]) mayCall() bool {
	c := w.task.chunk
	if !w.quarantine.careful() || c.level > 0 && w.task.attempt == 1 { // isolation has announced those
		return true
	}
	return w.quarantine.announce(w.stopper.calls.ctx, w.stopper.sinks.ctx, c.trials(w.next)) == nil
}

// countCalls counts the calls made for the task.
func (w *worker[T, R]) countCalls() {
	n := int64(w.calls)
	w.tally.calls.Add(n)
	w.task.chunk.calls += n
	if used := w.taskBytes(); used > 0 {
		w.tally.bytes.Add(used)
		w.task.chunk.used = journal.AddBytes(w.task.chunk.used, used)
	}
	if w.task.attempt > 1 {
		w.tally.retries.Add(n)
		w.task.chunk.retries += n
	}
}

// processItems calls the function for one item after the other.
func (w *worker[T, R]) processItems() bool {
	c, lo := w.task.chunk, w.next
	contexts := make([]callContext, len(c.items)-lo)
	shared := w.task.context()
	began, before := w.clock.now(), w.calls
	w.since.Store(int64(began))
	w.timer = callTimer{last: began, from: lo, every: w.pace.sampleEvery()}
	for ; w.next < len(c.items); w.next++ {
		if w.gate.Yield(w.grant) || w.over() {
			w.giveBack()
			break
		}
		i := w.next
		if (c.items[i].Err != nil || w.quarantine != nil || c.origins != nil) && w.settledWithoutCall(i) {
			continue
		}
		if w.grant.Calls == 0 || w.limited && !w.mayStart(c.items[i].Size) {
			w.giveBack()
			break
		}
		w.grant.Calls--
		ctx := &contexts[i-lo]
		task := shared
		if c.origins != nil {
			task = c.taskOf(*shared, i)
		}
		c.prepare(ctx, task, i)
		value, err := invoke(w, ctx, w.job.fn, c.items[i].Value)
		if w.lost() {
			return false
		}
		w.calls++ // in place of called: this is the hot path
		if w.observer != nil {
			w.observeEnd(err)
		}
		w.finishItem(i, value, err)
	}
	w.sample(w.next)
	w.pace.learn(w.calls-before, w.timer.last-began)
	return true
}

// over reports whether no call may start any more. The gate learns it a moment later.
func (w *worker[T, R]) over() bool { return w.stopper.late() || w.tally.enough.reached() }

// giveBack returns the items that were not called yet to the gate. The others do not wait for them.
func (w *worker[T, R]) giveBack() {
	if w.next == 0 {
		w.refused = true
		return
	}
	var rest []int
	for i := w.next; i < len(w.task.chunk.items); i++ {
		rest = append(rest, i)
	}
	t := w.task
	t.chunk = w.move(rest...)
	w.gate.GiveBackPart(t, w.load(t.chunk))
}

// finishItem settles item i after its call, or schedules a retry.
func (w *worker[T, R]) finishItem(i int, value R, err error) {
	if err == nil {
		w.task.chunk.record(i, w.task.attempt, value, nil, 0)
		w.task.chunk.entries[i].state = succeeded
		w.settled++
		w.timer.settled++
		if i+1-w.timer.from >= w.timer.every {
			w.sample(i + 1)
		}
		return
	}
	elapsed := w.sample(i + 1)
	d := w.finish(i, value, err, elapsed)
	if d.throttled {
		w.observer.throttled(w.task.chunk.info(i, w.task.attempt), err, d.asked)
		w.throttled(d.asked, elapsed)
	}
	if d.again() {
		w.observer.retry(w.task.chunk.info(i, w.task.attempt), err, d.wait)
		w.retry(d, i)
	}
}

// retry has some items of the task called again, in one call, as d says. The others do not wait for
// them.
func (w *worker[T, R]) retry(d decision, items ...int) {
	t := w.task
	t.chunk = w.move(items...)
	t.attempt++
	if d.throttled && w.opts.Retry.throttledFor() > 0 {
		t.throttled = w.nextThrottled(t.throttled)
	}
	if w.gate.Later(t, w.load(t.chunk), d.wait) {
		w.stopper.log.crowded(w.gate.State().Waiting.Items)
	}
	w.judgeRetry()
}

// sample reads the clock. It shares the time since the last reading among the items before to,
// which were called in it, and counts those that have succeeded. It returns the time of each.
func (w *worker[T, R]) sample(to int) time.Duration {
	n := to - w.timer.from
	if n == 0 {
		return 0
	}
	now := w.clock.now()
	each := (now - w.timer.last) / time.Duration(n)
	w.since.Store(int64(now))
	w.meter.called(w.number, int64(n), each)
	for i := w.timer.from; w.task.chunk.keeps && i < to; i++ {
		if s := &w.task.chunk.entries[i]; s.state == succeeded {
			s.elapsed = each
		}
	}
	w.tally.shard(w.number).Add(w.timer.settled)
	w.timer = callTimer{last: now, from: to, every: w.timer.every}
	return each
}

// afterExit settles the current call, which never returned, with err. The rest of the task remains
// to be done.
func (w *worker[T, R]) afterExit(err error) {
	w.called(err)
	if w.job.inBatches {
		w.finishBatch(nil, err, 0)
		w.picks = []int{}
		return
	}
	var zero R
	w.finishItem(w.next, zero, err)
	w.next++
}

// settledWithoutCall fails an item that could not be read, that a person rejected, or that is
// quarantined.
func (w *worker[T, R]) settledWithoutCall(i int) bool {
	c := w.task.chunk
	err := c.items[i].Err
	switch rejected := c.rejected(i); {
	case rejected != nil && err == nil:
		err = rejected
	case rejected != nil:
		err = &ReadError{rejected} // without the value, which could not be read
	case err != nil:
		err = &ReadError{w.texts.kept(err)}
	case w.quarantine != nil:
		err = w.quarantine.verdict(c.interval(i))
	}
	if err == nil {
		return false
	}
	var zero R
	c.record(i, 0, zero, err, 0)
	w.fail(i, 0, err)
	return true
}

// finish settles item i after a call, or leaves it pending, or returns when it is to be called
// again.
func (w *worker[T, R]) finish(i int, value R, err error, elapsed time.Duration) decision {
	c, attempt := w.task.chunk, w.task.attempt
	if err == nil {
		c.record(i, attempt, value, nil, elapsed)
		c.entries[i].state = succeeded
		w.tally.shard(w.number).Add(1)
		w.settled++
		return decision{next: succeeded}
	}
	d := w.afterError(err, attempt, w.task.throttled)
	if d.next == held {
		w.hold(i, err, elapsed)
		return decision{next: held}
	}
	if d.err != nil {
		err = d.err
	}
	err = w.texts.kept(err)
	var zero R
	c.record(i, attempt, zero, err, elapsed)
	switch d.next {
	case failed:
		w.fail(i, attempt, err)
	case skipped:
		c.entries[i].state = skipped
		w.tally.skipped.Add(1)
		w.settled++
	}
	if d.again() {
		w.stopper.log.retrying(c.info(i, attempt), err, d.wait)
	}
	return d
}

// fail settles item i as failed, and stops the run if that is one too many.
func (w *worker[T, R]) fail(i, attempt int, err error) {
	w.task.chunk.entries[i].state = failed
	w.settled++
	if err := w.tally.fail(&ItemError{Info: w.task.chunk.info(i, attempt), Err: err}); err != nil {
		w.stopper.stop(err)
	}
}

// invoke calls fn for the item of ctx, or for a batch.
func invoke[T, R, In, Out any](w *worker[T, R], ctx *callContext, fn func(context.Context, In) (Out, error), in In) (out Out, err error) {
	returned := false
	defer func() { w.endCall(ctx, returned, recover(), &err) }()
	var given context.Context = ctx
	if w.observer != nil {
		given = w.observeCall(ctx)
	}
	w.beginCall(ctx)
	if w.opts.Timeout == 0 {
		out, err = fn(given, in)
	} else {
		limited, cancel := context.WithTimeout(given, w.opts.Timeout)
		defer cancel()
		out, err = fn(limited, in)
		err = timedOut(limited, ctx, err)
	}
	returned = true
	return out, err
}

func (w *worker[T, R]) beginCall(ctx *callContext) {
	if w.opts.Timeout > 0 {
		w.began.Store(int64(w.clock.now()))
	}
	w.current.Store(ctx)
}

// endCall closes a call that has returned, has panicked, or has called Goexit: then nothing was
// recovered, and the goroutine ends.
func (w *worker[T, R]) endCall(ctx *callContext, returned bool, panicked any, err *error) {
	if w.opts.AbandonAfter > 0 && !w.current.CompareAndSwap(ctx, nil) {
		return
	}
	switch {
	case panicked != nil:
		*err = newPanicError(panicked)
	case !returned:
		w.exiting = true
	}
}
