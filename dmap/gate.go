package dmap

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// gate is the one place that bounds concurrency. Readers offer work to it and wait when it is full; workers take work from
// it and wait when there is none, when the limit is reached, or while the run is paused. Retries wait in it for their time
// and hold no place.
//
// A worker is admitted for a task of several items and looks at yield between calls, so the cost of the lock is shared.
//
// Waking a goroutine costs more than many a call. So the worker that came last goes first, its stack still in the caches;
// readers that wait are told when half of what lies ready is gone; and work that the workers who are awake will have
// done before another had woken up waits for them, though never for long.
type gate[W any] struct {
	start func()               // starts a worker, which then calls next; called with mu held
	room  func(limit int) int  // how much work waits here before readers do
	worth func(units int) bool // whether so much work is worth waking a worker beside others

	yield atomic.Bool // a worker should give back the rest of its task: paused, stopped, or too many at work

	mu       patient
	idle     []chan struct{} // workers wait at these; the last one is woken first
	space    sync.Cond       // readers wait here
	finished chan struct{}

	limit, active, workers  int
	paused, stopped, closed bool
	dozing                  *time.Timer // when work that was not worth a worker has waited long enough
	dozes                   bool        // dozing is set
	open                    int         // pieces of work offered and not settled
	ready                   queue[offer[W]]
	back                    []W // given back; goes first
	units                   int // in ready
	bytes                   int64
	waiting                 retries[W]
	alarm                   *time.Timer // at the time of the next retry
}

type offer[W any] struct {
	work  W
	units int
	bytes int64
}

// readyBytes is how many bytes of items may wait for a worker.
const readyBytes = 64 << 20

// dozeTime is the longest that work waits for a worker that is awake.
const dozeTime = time.Millisecond

// patient is a mutex for short critical sections that thousands of goroutines enter at once: they give way to each other
// some times before they queue, because a queue of a sync.Mutex costs a switch of goroutines at every step.
type patient struct{ sync.Mutex }

func (p *patient) Lock() {
	for range 16 {
		if p.TryLock() {
			return
		}
		runtime.Gosched()
	}
	p.Mutex.Lock()
}

func newGate[W any](limit int, room func(limit int) int, worth func(units int) bool, start func()) *gate[W] {
	g := &gate[W]{start: start, room: room, worth: worth, limit: limit, finished: make(chan struct{})}
	g.space.L = &g.mu
	return g
}

// offer hands over work of so many units and bytes, waiting for space. It is false once the gate is stopped.
func (g *gate[W]) offer(w W, units int, bytes int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.stopped && g.full() {
		g.space.Wait()
	}
	if g.stopped {
		return false
	}
	g.accept(w, units, bytes)
	return true
}

// tryOffer is offer without waiting: it is false if there is no space now.
func (g *gate[W]) tryOffer(w W, units int, bytes int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped || g.full() {
		return false
	}
	g.accept(w, units, bytes)
	return true
}

func (g *gate[W]) full() bool {
	return g.ready.len() > 0 && (g.units >= g.room(g.limit) || g.bytes >= readyBytes)
}

func (g *gate[W]) accept(w W, units int, bytes int64) {
	g.open++
	g.ready.push(offer[W]{w, units, bytes})
	g.units += units
	g.bytes += bytes
	g.stir()
}

// close says that no more work is offered.
func (g *gate[W]) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.finishIfDone()
}

// stop refuses all further work: workers leave as they come back, readers are told.
func (g *gate[W]) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopped = true
	g.finishIfDone()
}

func (g *gate[W]) finishIfDone() {
	g.setYield()
	if !g.stopped && !(g.closed && g.open == 0) {
		return
	}
	select {
	case <-g.finished:
	default:
		close(g.finished)
	}
	for _, timer := range []*time.Timer{g.alarm, g.dozing} {
		if timer != nil {
			timer.Stop()
		}
	}
	for _, wake := range g.idle {
		wake <- struct{}{}
	}
	g.idle = nil
	g.space.Broadcast()
}

func (g *gate[W]) done() bool {
	select {
	case <-g.finished:
		return true
	default:
		return false
	}
}

// next waits for work, at wake, which the worker keeps: a channel with space for one. held says that the worker comes back
// from a task, settled that this was the last of a piece of work. It is false when the worker must leave.
func (g *gate[W]) next(held, settled bool, wake chan struct{}) (w W, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if held {
		g.active--
		g.setYield()
	}
	if settled {
		g.open--
		g.finishIfDone()
	}
	for !g.done() {
		if w, ok = g.take(); ok {
			g.active++
			g.stir() // pass the baton: there may be more than one worker can do
			return w, true
		}
		g.idle = append(g.idle, wake)
		g.mu.Unlock()
		<-wake
		g.mu.Lock()
	}
	g.workers--
	return w, false
}

// quit takes note of a worker that left in the middle of a task.
func (g *gate[W]) quit() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.active--
	g.workers--
}

// giveBack returns work that goes to the next free worker.
func (g *gate[W]) giveBack(w W) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.back = append(g.back, w)
	g.stir()
}

// later keeps work until its time has come.
func (g *gate[W]) later(w W, units int, wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.done() {
		return
	}
	g.waiting.push(retry[W]{w, units, time.Now().Add(wait)})
	g.setAlarm()
}

func (g *gate[W]) setAlarm() {
	due, ok := g.waiting.first()
	if !ok {
		return
	}
	wait := max(0, time.Until(due))
	if g.alarm == nil {
		g.alarm = time.AfterFunc(wait, g.ring)
		return
	}
	g.alarm.Reset(wait)
}

// ring is called when a retry is due.
func (g *gate[W]) ring() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.done() {
		return
	}
	g.stir()
}

// take removes work that may start now: what was given back, a due retry, or fresh work.
func (g *gate[W]) take() (w W, ok bool) {
	if g.paused || g.active >= g.limit {
		return w, false
	}
	if n := len(g.back); n > 0 {
		w = g.back[n-1]
		g.back = g.back[:n-1]
		return w, true
	}
	if due, any := g.waiting.first(); any && !due.After(time.Now()) {
		r := g.waiting.pop()
		g.setAlarm()
		return r.work, true
	}
	if !g.fresh() {
		return w, false
	}
	o := g.ready.pop()
	g.units -= o.units
	g.bytes -= o.bytes
	if g.units <= g.room(g.limit)/2 && g.bytes <= readyBytes/2 {
		g.space.Broadcast()
	}
	return o.work, true
}

// fresh says whether new work may start: not while too many retries wait, which would let them pile up without bound.
func (g *gate[W]) fresh() bool {
	return g.ready.len() > 0 && g.waiting.units < 2*g.limit+g.room(g.limit)
}

func (g *gate[W]) startable() bool {
	if g.paused || g.active >= g.limit || g.done() {
		return false
	}
	due, any := g.waiting.first()
	return len(g.back) > 0 || g.fresh() || any && !due.After(time.Now())
}

// stir wakes or starts one worker if there is something for it to do; that one stirs again.
func (g *gate[W]) stir() {
	if !g.startable() || g.doze() {
		return
	}
	g.rouse()
}

// doze leaves fresh work to the workers that are awake, if it is not worth another.
func (g *gate[W]) doze() bool {
	if g.active == 0 || len(g.back) > 0 || g.waiting.units > 0 || g.worth(g.units) {
		return false
	}
	if g.dozes {
		return true
	}
	g.dozes = true
	if g.dozing == nil {
		g.dozing = time.AfterFunc(dozeTime, g.wakeUp)
	} else {
		g.dozing.Reset(dozeTime)
	}
	return true
}

// wakeUp is called when work has waited for the workers that are awake.
func (g *gate[W]) wakeUp() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dozes = false
	if g.startable() {
		g.rouse()
	}
}

// rouse wakes or starts a worker.
func (g *gate[W]) rouse() {
	if n := len(g.idle); n > 0 {
		wake := g.idle[n-1]
		g.idle = g.idle[:n-1]
		wake <- struct{}{}
		return
	}
	if g.workers < g.limit {
		g.workers++
		g.start()
	}
}

func (g *gate[W]) setYield() {
	if want := g.paused || g.stopped || g.active > g.limit; g.yield.Load() != want {
		g.yield.Store(want)
	}
}

func (g *gate[W]) setLimit(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit = n
	g.setYield()
	g.stir()
	g.space.Broadcast()
}

func (g *gate[W]) setPaused(paused bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.paused = paused
	g.setYield()
	g.stir()
}

// fill writes what the gate knows into s.
func (g *gate[W]) fill(s *Stats) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s.InFlight, s.Waiting, s.Limit, s.Paused = g.active, g.waiting.units, g.limit, g.paused
}
