package dmap

import "time"

// processBatch calls the function once for the items of the task.
func (w *worker[T, R]) processBatch() bool {
	c := w.task.chunk
	if w.picks == nil {
		if w.gate.Yield(w.grant) || w.over() {
			w.refused = true
			return true
		}
		w.pick()
	}
	if len(w.picks) == 0 || w.limited && !w.mayStart(w.picked()) {
		return true
	}
	items := c.items[:len(c.items):len(c.items)]
	if len(w.picks) < len(items) {
		items = make([]Item[T], len(w.picks))
		for k, i := range w.picks {
			items[k] = c.items[i]
		}
	}
	w.grant.Calls--
	began := w.clock.now()
	w.since.Store(int64(began))
	ctx := &callContext{}
	shared := w.task.context()
	shared.items = len(w.picks)
	if c.origins != nil {
		shared = c.taskOf(*shared, w.picks[0], w.picks[1:]...)
	}
	c.prepare(ctx, shared, w.picks[0])
	values, err := invoke(w, ctx, w.job.batchFn, items)
	if w.lost() {
		return false
	}
	elapsed := w.clock.now() - began
	w.meter.called(w.number, 1, elapsed)
	if err == nil && len(values) != len(w.picks) {
		err = wrongCount(len(values), len(w.picks))
	}
	w.called(err)
	w.finishBatch(values, err, elapsed)
	return true
}

// pick chooses the items of a new batch that are called together.
func (w *worker[T, R]) pick() {
	c := w.task.chunk
	w.picks = make([]int, 0, len(c.items))
	for i := range c.items {
		if !w.settledWithoutCall(i) {
			w.picks = append(w.picks, i)
		}
	}
}

// finishBatch settles the items of a batch call and schedules a retry of the failed ones together,
// and another one of those that were throttled, whose attempts count otherwise.
func (w *worker[T, R]) finishBatch(values []R, err error, elapsed time.Duration) {
	var others, throttled retries
	errs := spread(len(w.picks), len(values), err)
	for k, i := range w.picks {
		var value R
		var err error
		if errs != nil {
			err = errs[k]
		}
		if k < len(values) {
			value = values[k]
		}
		if d := w.finish(i, value, err, elapsed); d.throttled {
			throttled.add(i, d)
		} else {
			others.add(i, d)
		}
	}
	if throttled.throttled {
		w.observer.throttled(w.task.chunk.info(w.picks[0], w.task.attempt), err, throttled.asked)
		w.throttled(throttled.asked, elapsed)
	}
	for _, group := range [...]*retries{&others, &throttled} {
		if len(group.items) > 0 {
			if w.observer != nil {
				w.observeRetries(group.items, errs, group.wait)
			}
			w.retry(group.decision, group.items...)
		}
	}
}

// retries are items of a batch that are called again together.
type retries struct {
	decision // for all: the longest wait
	items    []int
}

func (r *retries) add(i int, d decision) {
	r.throttled = r.throttled || d.throttled
	r.asked = max(r.asked, d.asked)
	if d.again() {
		r.items = append(r.items, i)
		r.wait = max(r.wait, d.wait)
	}
}
