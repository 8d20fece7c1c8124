package dmap

import (
	"log/slog"
	"sync"
	"time"
)

// stuckAfter is how long a call may run on after its context ended before it is reported as stuck.
const stuckAfter = 10 * time.Second

// crew knows the workers of a run, so that the watch can find calls that do not come back.
type crew[T, R any] struct {
	mu      sync.Mutex
	members map[*worker[T, R]]struct{}
	hired   int
	stuck   int // calls that the last patrol found running long after the end of their context
}

func (c *crew[T, R]) hire(e *engine[T, R]) *worker[T, R] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.members == nil {
		c.members = make(map[*worker[T, R]]struct{})
	}
	w := &worker[T, R]{e: e, number: c.hired, wake: make(chan struct{}, 1)}
	c.hired++
	c.members[w] = struct{}{}
	return w
}

func (c *crew[T, R]) remove(w *worker[T, R]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.members, w)
}

func (c *crew[T, R]) stuckCalls() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stuck
}

// watch reports calls that ignore the end of their context, and abandons them if the options say so. It patrols only
// when a context may have ended: with a timeout on calls, or once all calls are cancelled. It ends with the run.
func (e *engine[T, R]) watch() {
	if e.opts.Timeout == 0 {
		select {
		case <-e.callsCtx.Done():
		case <-e.over:
			return
		}
	}
	every := stuckAfter / 10
	if e.opts.AbandonAfter > 0 {
		every = min(every, max(e.opts.AbandonAfter/4, time.Millisecond))
	}
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	var ended time.Duration
	for {
		select {
		case <-ticks.C:
			if ended == 0 && e.callsCtx.Err() != nil {
				ended = e.sinceStart()
			}
			e.patrol(ended)
		case <-e.over:
			return
		}
	}
}

// patrol looks at every running call once. ended is when all calls were cancelled, 0 if they were not.
func (e *engine[T, R]) patrol(ended time.Duration) {
	e.crew.mu.Lock()
	defer e.crew.mu.Unlock()
	now := e.sinceStart()
	e.crew.stuck = 0
	for w := range e.crew.members {
		ctx := w.current.Load()
		if ctx == nil {
			continue
		}
		over := overtime(now, ended, time.Duration(w.began.Load()), e.opts.Timeout)
		if most := e.opts.AbandonAfter; most > 0 && over >= most && w.current.CompareAndSwap(ctx, &w.gone) {
			e.opts.Logger.Warn("dmap: abandoned a call", e.about(ctx), "overtime", over)
			e.replace(w)
			continue
		}
		if over < stuckAfter {
			continue
		}
		e.crew.stuck++
		if w.warned != ctx {
			w.warned = ctx
			e.opts.Logger.Warn("dmap: a call runs on after its context ended", e.about(ctx), "overtime", over)
		}
	}
}

// overtime is how long ago the context of a call ended: with all others at ended, or with its own time after began.
func overtime(now, ended, began, timeout time.Duration) time.Duration {
	var over time.Duration
	if ended > 0 {
		over = now - ended
	}
	if timeout > 0 {
		over = max(over, now-began-timeout)
	}
	return over
}

// replace hands the task of a worker whose call was abandoned to a new one; crew.mu is held.
func (e *engine[T, R]) replace(w *worker[T, R]) {
	delete(e.crew.members, w)
	e.counts.abandoned.Add(1)
	heir := &worker[T, R]{e: e, number: w.number, wake: make(chan struct{}, 1), t: w.t, settled: w.settled, calls: w.calls}
	heir.clock = stopwatch{last: e.sinceStart(), from: w.t.lo, every: 1}
	e.crew.members[heir] = struct{}{}
	go func() {
		heir.afterExit(ErrStuck)
		heir.run()
	}()
}

func (e *engine[T, R]) about(ctx *callContext) slog.Attr {
	info := ctx.info()
	return slog.Group("item", "run", info.RunID, "id", info.ID(), "attempt", info.Attempt)
}
