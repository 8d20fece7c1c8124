// Package gate bounds how many workers run at once, and hands them their work.
package gate

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Gate is the one place that bounds concurrency. Readers offer work and wait while the gate is
// full; workers take work and wait while there is none, while the limit is reached, or while the
// gate is paused. A retry waits in the gate until it is due. It uses no slot and no space of the
// ready queue; fresh work starts until the waiting retries are at a bound of their own.
//
// A worker is admitted for a task of several items, and for a number of calls, its Grant. It checks
// Yield between calls, so that tasks share the cost of the lock.
//
// A rate, and the answers of a server that throttles, bound the Grants: see pacer. Work that waits
// for its time uses no slot.
//
// To wake a goroutine costs more than many calls. So the worker that came last is admitted first,
// while its stack is in the caches. Blocked readers are woken when the ready queue is half empty.
// And no worker is woken for work that the running workers will finish sooner; such work waits at
// most dozeTime.
type Gate[W any] struct {
	config Config

	// signal is odd if workers must give back their tasks: the gate is paused, stopped, or more
	// workers are active than may be. It rises by 2 when earlier Grants end.
	signal atomic.Uint64
	rate   atomic.Uint64 // what Rate returns, as bits

	mu       patientMutex    // guards the fields below
	idle     []chan struct{} // one per waiting worker; the last one is woken first
	space    sync.Cond       // readers wait here
	finished chan struct{}

	limit, active, workers  int
	falls                   int    // of the bounds of the pacer
	peak                    int    // the most active workers since the last of them
	pacer                   *pacer // nil: there is no rate, and no server has throttled
	paused, stopped, closed bool
	pausedAt                time.Time     // of the last pause
	pausedFor               time.Duration // before it
	dozing                  *time.Timer   // ends the wait of work that was not worth waking a worker for
	dozes                   bool          // dozing is set
	open                    int           // pieces of work that are not settled
	ready                   queue[offer[W]]
	queued                  Load       // of ready
	blocked                 Load       // of the readers that wait
	back                    []offer[W] // given back by workers; goes first
	returned                Load       // of back
	waiting                 retries[W]
	alarm                   *time.Timer // rings when the next retry is due
	alarmAt                 time.Time   // zero: the alarm is not set
}

// Config is what a Gate must know about the work.
type Config struct {
	// Room returns how many units may wait in the ready queue before readers block, for a limit.
	// Called with the gate locked.
	Room func(limit int) int
	// Crowded says whether the waiting retries are at their bound, so that no fresh work may start.
	// Called with the gate locked.
	Crowded func(limit int, waiting Load) bool
	// WorthWaking says whether this many ready units justify waking a worker while others run.
	// Called with the gate locked.
	WorthWaking func(units int) bool
	// Start starts a worker, which then calls Next. Called with the gate locked.
	Start func()
}

// Load is the size of some work.
type Load struct {
	Units int // calls to make
	Items int
	Bytes int64
}

func (l *Load) add(o Load) {
	l.Units += o.Units
	l.Items += o.Items
	l.Bytes += o.Bytes
}

func (l *Load) remove(o Load) { l.add(Load{-o.Units, -o.Items, -o.Bytes}) }

// State is what a Gate knows about a run.
type State struct {
	Active  int  // admitted workers
	Slots   int  // how many may be, at most Limit
	Waiting Load // retries that have not started
	Queued  int  // items of the other work that has not started
	Limit   int
	Paused  bool
	Crowded bool // fresh work may not start, because the waiting retries are at their bound

	Rate  float64   // calls a second at most, because of a server that throttles; 0: no limit
	Until time.Time // no call starts before, because a server has asked for that; it may have passed
}

type offer[W any] struct {
	work W
	load Load
}

// readyBytes is how many bytes of items may wait in the ready queue.
const readyBytes = 64 << 20

// dozeTime is the longest that ready work waits for the running workers before another one is
// woken.
const dozeTime = time.Millisecond

// patientMutex is a mutex for short critical sections that thousands of goroutines enter at once.
// Lock yields a few times before it queues, because a queued sync.Mutex costs a switch of
// goroutines at each step.
type patientMutex struct{ sync.Mutex }

func (p *patientMutex) Lock() {
	for range 16 {
		if p.TryLock() {
			return
		}
		runtime.Gosched()
	}
	p.Mutex.Lock()
}

// New returns a gate that admits up to limit workers at once.
func New[W any](limit int, config Config) *Gate[W] {
	g := &Gate[W]{config: config, limit: limit, finished: make(chan struct{})}
	g.space.L = &g.mu
	return g
}

// Yield reports whether the worker that has a Grant should give back the rest of its task.
func (g *Gate[W]) Yield(grant Grant) bool { return g.signal.Load() != grant.signal }

// Finished is closed when no work is left, or the gate was stopped.
func (g *Gate[W]) Finished() <-chan struct{} { return g.finished }

// Offer passes work to the workers, and waits for space. It returns false once the gate is stopped.
func (g *Gate[W]) Offer(w W, load Load) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.stopped && g.full() {
		g.blocked.add(load)
		g.space.Wait()
		g.blocked.remove(load)
	}
	if g.stopped {
		return false
	}
	g.accept(w, load)
	return true
}

// TryOffer is Offer without waiting: it returns false if there is no space now.
func (g *Gate[W]) TryOffer(w W, load Load) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped || g.full() {
		return false
	}
	g.accept(w, load)
	return true
}

func (g *Gate[W]) full() bool {
	return g.ready.len() > 0 && (g.queued.Units >= g.config.Room(g.limit) || g.queued.Bytes >= readyBytes)
}

func (g *Gate[W]) accept(w W, load Load) {
	g.open++
	g.ready.push(offer[W]{w, load})
	g.queued.add(load)
	g.stir()
}

// Close says that no more work will be offered.
func (g *Gate[W]) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.finishIfDone()
}

// Stop refuses all further work. Workers leave at their next call of Next, and blocked readers
// return.
func (g *Gate[W]) Stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopped = true
	g.finishIfDone()
}

func (g *Gate[W]) finishIfDone() {
	g.setYield()
	if !g.stopped && !(g.closed && g.open == 0) {
		return
	}
	select {
	case <-g.finished:
	default:
		close(g.finished)
	}
	for _, timer := range []*time.Timer{g.alarm, g.dozing, g.pacer.timer()} {
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

func (g *Gate[W]) done() bool {
	select {
	case <-g.finished:
		return true
	default:
		return false
	}
}

// Next waits for work. held says that the worker returns from a task, settled that the work of this
// task is settled. wake is the worker's own channel, with space for one signal. The worker may make
// as many calls as the Grant says, and gives back the rest of its task after that. Next returns
// false when the worker must leave.
func (g *Gate[W]) Next(held, settled bool, wake chan struct{}) (w W, grant Grant, ok bool) {
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
		if w, grant, ok = g.take(); ok {
			g.active++
			g.peak = max(g.peak, g.active)
			g.stir() // there may be work for one more
			return w, grant, true
		}
		g.idle = append(g.idle, wake)
		g.mu.Unlock()
		<-wake
		g.mu.Lock()
	}
	g.workers--
	return w, grant, false
}

// Quit removes a worker whose goroutine ended inside a task.
func (g *Gate[W]) Quit() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.active--
	g.workers--
}

// GiveBack returns work, which the next free worker gets first.
func (g *Gate[W]) GiveBack(w W, load Load) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.giveBack(w, load)
}

// GiveBackPart is GiveBack for a part of the worker's work. From now on it is work of its own.
func (g *Gate[W]) GiveBackPart(w W, load Load) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open++
	g.giveBack(w, load)
}

func (g *Gate[W]) giveBack(w W, load Load) {
	g.back = append(g.back, offer[W]{w, load})
	g.returned.add(load)
	g.stir()
}

// take removes work that may start now: returned work, a due retry, or fresh work.
func (g *Gate[W]) take() (w W, grant Grant, ok bool) {
	from, load, ok := g.first()
	if !ok {
		return w, grant, false
	}
	if grant, ok = g.admit(load); !ok {
		return w, grant, false
	}
	switch from {
	case returnedWork:
		n := len(g.back)
		w = g.back[n-1].work
		g.back[n-1] = offer[W]{}
		g.back = g.back[:n-1]
		g.returned.remove(load)
	case dueRetry:
		w = g.waiting.pop()
		g.setAlarm()
	default:
		w = g.ready.pop().work
		g.queued.remove(load)
		if g.queued.Units <= g.config.Room(g.limit)/2 && g.queued.Bytes <= readyBytes/2 {
			g.space.Broadcast()
		}
	}
	return w, grant, true
}

// place is where work waits.
type place int

const (
	returnedWork place = iota
	dueRetry
	freshWork
)

// first returns the place and the load of the work that starts next if there is a slot. ok is false
// if there is neither.
func (g *Gate[W]) first() (from place, load Load, ok bool) {
	if g.paused {
		return 0, load, false
	}
	if slots := g.slots(); g.active >= slots {
		if slots < g.limit {
			g.pacer.adaptive.Press() // also if there is no work: the slots are in use
		}
		return 0, load, false
	}
	switch n := len(g.back); {
	case n > 0:
		return returnedWork, g.back[n-1].load, true
	case g.due():
		return dueRetry, g.waiting.heap[0].load, true
	case g.fresh():
		return freshWork, g.ready.peek().load, true
	}
	return 0, load, false
}

// fresh reports whether new work may start.
func (g *Gate[W]) fresh() bool { return g.ready.len() > 0 && !g.crowded() }

// crowded reports whether the waiting retries are at their bound.
func (g *Gate[W]) crowded() bool {
	return g.waiting.load.Units > 0 && g.config.Crowded(g.limit, g.waiting.load)
}

func (g *Gate[W]) startable() bool {
	if g.done() {
		return false
	}
	_, load, ok := g.first()
	return ok && g.admissible(load) > 0
}

// stir wakes or starts one worker if there is work for it. That worker stirs again.
func (g *Gate[W]) stir() {
	if !g.startable() || g.doze() {
		return
	}
	g.rouse()
}

// doze leaves fresh work to the running workers if it does not justify another one.
func (g *Gate[W]) doze() bool {
	if g.active == 0 || len(g.back) > 0 || g.config.WorthWaking(g.queued.Units) || g.due() {
		return false
	}
	if g.dozes {
		return true
	}
	g.dozes = true
	if g.dozing == nil {
		g.dozing = time.AfterFunc(dozeTime, g.endDoze)
	} else {
		g.dozing.Reset(dozeTime)
	}
	return true
}

// endDoze runs when ready work has waited for the running workers for dozeTime.
func (g *Gate[W]) endDoze() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dozes = false
	if g.startable() {
		g.rouse()
	}
}

// rouse wakes or starts a worker.
func (g *Gate[W]) rouse() {
	if n := len(g.idle); n > 0 {
		wake := g.idle[n-1]
		g.idle = g.idle[:n-1]
		wake <- struct{}{}
		return
	}
	if g.workers < g.limit {
		g.workers++
		g.config.Start()
	}
}

func (g *Gate[W]) setYield() {
	now := g.signal.Load()
	if want := g.paused || g.stopped || g.active > g.slots(); (now&1 == 1) != want {
		g.signal.Store(now ^ 1)
	}
}

// SetLimit changes how many workers may be active. Workers above a lower limit yield.
func (g *Gate[W]) SetLimit(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit = n
	g.setYield()
	g.stir()
	g.space.Broadcast()
}

// SetPaused stops or resumes the admission of workers.
func (g *Gate[W]) SetPaused(paused bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case paused && !g.paused:
		g.pausedAt = time.Now()
	case !paused && g.paused:
		g.pausedFor += time.Since(g.pausedAt)
	}
	g.paused = paused
	g.setYield()
	g.stir()
}

// PausedFor is the time for which the gate has been paused so far.
func (g *Gate[W]) PausedFor() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.paused {
		return g.pausedFor + time.Since(g.pausedAt)
	}
	return g.pausedFor
}

// State returns the state of the gate now.
func (g *Gate[W]) State() State {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := State{Active: g.active, Slots: g.slots(), Limit: g.limit, Paused: g.paused}
	if g.pacer != nil {
		s.Rate, s.Until = g.pacer.adaptive.Rate(), g.pacer.adaptive.Until()
	}
	if !g.done() { // else nothing will start
		s.Waiting, s.Queued = g.waiting.load, g.queued.Items+g.blocked.Items+g.returned.Items
		s.Crowded = g.ready.len() > 0 && g.crowded()
	}
	return s
}
