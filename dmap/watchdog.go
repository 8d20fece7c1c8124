package dmap

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// stuckAfter is how long a call may run after the end of its context before it is reported as
// stuck.
const stuckAfter = 10 * time.Second

// watched is what the watchdog sees of a worker.
type watched struct {
	// current is the running call. It is swapped out exactly once: by the worker when the function
	// returns, or by the watchdog when it abandons the call (it stores &gone). Whoever swaps it out
	// owns the result and the rest of the task. Without Options.AbandonAfter it may be stale
	// between the calls of one task.
	current atomic.Pointer[callContext]
	gone    callContext
	inCall  atomic.Bool  // false while the worker passes results to sinks
	began   atomic.Int64 // of the current call, ns since the start of the run; set if calls have a timeout
	since   atomic.Int64 // the same, or an earlier reading of the clock in the same task
	warned  *callContext // the call that was reported as stuck; only the watchdog uses it

	takeOver func() // has another worker continue the task, after current was swapped out
}

// abandoned reports whether the watchdog has taken the current call away.
func (w *watched) abandoned() bool { return w.current.Load() == &w.gone }

// watchdog reports calls that ignore the end of their context, and abandons them if
// Options.AbandonAfter says so.
type watchdog struct {
	clock        runClock
	timeout      time.Duration // of calls; 0: none
	abandonAfter time.Duration // 0: never
	log          *runLog

	mu        sync.Mutex // guards the fields below
	workers   map[*watched]struct{}
	stuck     int // calls that the last scan found running long after the end of their context
	abandoned int
}

func newWatchdog(opts Options, clock runClock, log *runLog) *watchdog {
	return &watchdog{
		clock: clock, timeout: opts.Timeout, abandonAfter: opts.AbandonAfter, log: log,
		workers: make(map[*watched]struct{}),
	}
}

func (d *watchdog) add(w *watched) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.workers[w] = struct{}{}
}

func (d *watchdog) remove(w *watched) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.workers, w)
}

// overdue returns the number of calls that ran on after the end of their context: those that still
// do, and those abandoned.
func (d *watchdog) overdue() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stuck + d.abandoned
}

// calling reports whether a function runs.
func (d *watchdog) calling() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for w := range d.workers {
		if ctx := w.current.Load(); ctx != nil && w.inCall.Load() {
			return true
		}
	}
	return false
}

// run scans the running calls until drained is closed. It starts when a context may have ended: at
// once if calls have a timeout, else when calls are interrupted.
func (d *watchdog) run(interrupted, drained <-chan struct{}) {
	if d.timeout == 0 {
		select {
		case <-interrupted:
		case <-drained:
			return
		}
	}
	ticks := time.NewTicker(d.interval())
	defer ticks.Stop()
	var ended time.Duration
	for {
		select {
		case <-ticks.C:
			select {
			case <-interrupted:
				if ended == 0 {
					ended = d.clock.now()
				}
			default:
			}
			d.scan(ended)
		case <-drained:
			return
		}
	}
}

func (d *watchdog) interval() time.Duration {
	every := stuckAfter / 10
	if d.abandonAfter > 0 {
		every = min(every, max(d.abandonAfter/4, time.Millisecond))
	}
	return every
}

// scan checks each running call once. ended is when all calls were interrupted, 0 if they were not.
func (d *watchdog) scan(ended time.Duration) {
	for _, w := range d.check(ended) {
		w.takeOver()
	}
}

// check counts and reports stuck calls. It returns the workers whose call it has abandoned.
func (d *watchdog) check(ended time.Duration) (lost []*watched) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.clock.now()
	d.stuck = 0
	for w := range d.workers {
		ctx := w.current.Load()
		if ctx == nil {
			continue
		}
		over := overtime(now, ended, time.Duration(w.began.Load()), d.timeout)
		if d.abandonAfter > 0 && over >= d.abandonAfter && w.current.CompareAndSwap(ctx, &w.gone) {
			d.log.write(slog.LevelWarn, "abandoned a call", d.about(ctx), "overtime", over)
			delete(d.workers, w)
			d.abandoned++
			lost = append(lost, w)
			continue
		}
		if over < stuckAfter {
			continue
		}
		d.stuck++
		if w.warned != ctx {
			w.warned = ctx
			d.log.write(slog.LevelWarn, "a call still runs after the end of its context", d.about(ctx), "overtime", over)
		}
	}
	return lost
}

// overtime is the time since the context of a call ended: at ended together with all others, or by
// its own timeout after began.
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

func (d *watchdog) about(ctx *callContext) slog.Attr {
	info := ctx.info()
	return slog.Group("item", "run", info.RunID, "id", shownID(d.log.rules, &info), "attempt", info.Attempt)
}
