package main

import (
	"container/heap"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/lease"
)

// settings are those of a simulated run.
type settings struct {
	items                  int64
	workers, slots, atOnce int // leases at once of a worker
	mean                   time.Duration
	sigma                  float64
	hostDies, workerDies   time.Duration // 0: never
	keep                   bool          // the rest of a lease until its calls have returned
	undivided              int64         // keys of a range that is not divided
	seed                   uint64
}

// figures are what a simulation has found.
type figures struct {
	wall, ideal     time.Duration
	leases          int
	inFlight        int // at most
	events, bytes   float64
	continued       int
	orders, absorbs int
	state           int           // bytes, at most
	cpu             time.Duration // of the state machine
	recovery        time.Duration // after the host has died, until as many leases are in flight
	unabsorbed      int           // leases that a host that takes over would seal, at most
	lost, sheds     int
}

// simulation runs a coordinator and its workers in virtual time.
type simulation struct {
	settings
	figures
	calls   calls
	s       *coord.State
	workers []*worker
	now     time.Duration
	queue   events
	next    int
	last    coord.Orders
	down    bool
	missed  []func()
	history float64 // events since the last continue-as-new
	wake    time.Duration
	flight  int // when the host died
	died    time.Duration
	left    int64
}

const epoch = 1_000_000_000 // Unix

func (x *simulation) time() time.Time { return time.Unix(epoch, 0).UTC().Add(x.now) }

func keyOf(i int64) string { return fmt.Sprintf("photos/2026/11/27/%012d.jpg", i) }

func simulate(c settings) figures {
	random := rand.New(rand.NewPCG(c.seed, 1))
	x := &simulation{settings: c, calls: calls{random: random, mean: c.mean, sigma: c.sigma}, left: c.items}
	limit := c.workers * c.slots
	s, err := coord.Begin(coord.Start{Era: 1, Now: time.Unix(epoch, 0), Pieces: []dmap.Split{keys(0, c.items)}, Control: coord.Control{
		Limit: limit, PerLease: c.slots / c.atOnce, Tolerance: dmap.Tolerance{Percentage: 100},
	}})
	if err != nil {
		panic(err)
	}
	x.s = s
	for range c.workers {
		x.workers = append(x.workers, &worker{undivided: c.undivided, exact: x.exactly()})
	}
	x.ideal = time.Duration(float64(c.items) * float64(c.mean) / float64(limit))
	if c.hostDies > 0 {
		x.in(c.hostDies, x.dieHost)
	}
	if c.workerDies > 0 {
		x.in(c.workerDies, x.dieWorker)
	}
	x.host(func() {})
	for len(x.queue) > 0 {
		e := heap.Pop(&x.queue).(event)
		x.now = e.at
		e.do()
		if _, over := x.s.Over(x.time()); over {
			break
		}
	}
	x.wall = x.now
	if n := x.s.Totals().Succeeded; n != c.items {
		panic(fmt.Sprintf("%d of %d items", n, c.items))
	}
	return x.figures
}

func (x *simulation) in(d time.Duration, do func()) {
	x.next++
	heap.Push(&x.queue, event{x.now + d, x.next, do})
}

// exactly simulates each call if calls are slow: a flow of them would not show how long leases end.
func (x *simulation) exactly() *calls {
	if x.mean < 10*time.Second {
		return nil
	}
	return &x.calls
}

// host lets the host see an event, and do what follows.
func (x *simulation) host(event func()) {
	if x.down {
		x.missed = append(x.missed, event)
		return
	}
	started := time.Now()
	event()
	for {
		l, ok := x.s.Take(x.time())
		if !ok {
			break
		}
		x.leases++
		x.add(leaseEvents, leaseBytes)
		r := &running{Lease: l, reading: true}
		for _, s := range l.Splits {
			r.size += float64(length(s))
		}
		x.in(toStart, func() { x.start(r) })
	}
	if task, ok := x.s.Absorb(x.time()); ok {
		x.absorb(task)
	}
	if o := x.s.Orders(); !reflect.DeepEqual(o, x.last) {
		x.last = o
		x.orders++
		x.add(taskEvents, taskBytes+float64(8*len(o.Stop)))
		x.in(time.Duration(x.calls.random.Int64N(int64(poll))), func() { x.obey(o) })
	}
	if at, ok := x.s.Wake(x.time()); ok && (x.wake <= x.now || at.Sub(time.Unix(epoch, 0)) < x.wake) {
		x.wake = at.Sub(time.Unix(epoch, 0))
		x.in(x.wake-x.now, func() { x.host(func() {}) })
	}
	x.cpu += time.Since(started)
	x.measure()
	x.renew()
}

func (x *simulation) add(events, bytes float64) {
	x.events += events
	x.bytes += bytes
	x.history += events
}

func (x *simulation) measure() {
	n := x.s.InFlight()
	x.inFlight = max(x.inFlight, n)
	x.unabsorbed = max(x.unabsorbed, len(x.s.Finished)+len(x.s.Open))
	if x.leases%100 == 0 {
		x.state = max(x.state, len(marshal(x.s)))
	}
	if x.died > 0 && x.recovery == 0 && n >= x.flight {
		x.recovery = x.now - x.died
	}
}

func marshal(s *coord.State) []byte {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return data
}

func (x *simulation) absorb(task coord.AbsorbTask) {
	x.absorbs++
	data, err := json.Marshal(task)
	if err != nil {
		panic(err)
	}
	x.add(taskEvents, taskBytes+float64(len(data)))
	x.in(toAbsorb, func() {
		x.host(func() { x.s.Absorbed(task.Task, coord.Absorption{}) })
	})
}

// renew continues as new when the history is long.
func (x *simulation) renew() {
	if x.history < maxEvents {
		return
	}
	if !x.s.Draining {
		x.s.Drain(true)
		x.host(func() {})
		return
	}
	if !x.s.Quiet() {
		return
	}
	data := marshal(x.s)
	x.state = max(x.state, len(data))
	x.history, x.continued = 0, x.continued+1
	x.s = new(coord.State)
	if err := json.Unmarshal(data, x.s); err != nil {
		panic(err)
	}
	x.down = true
	x.in(toContinue, func() { x.comeBack(func() { x.s.Drain(false) }) })
}

func (x *simulation) comeBack(first func()) {
	x.down = false
	missed := x.missed
	x.missed = nil
	x.host(func() {
		first()
		for _, do := range missed {
			do()
		}
	})
}

func (x *simulation) dieHost() {
	x.down, x.flight, x.died = true, x.s.InFlight(), x.now
	x.in(downtime, func() { x.comeBack(func() {}) })
}

func (x *simulation) dieWorker() {
	w := x.workers[0]
	w.dead = true
	for _, r := range w.leases {
		x.lost++
		x.in(heartbeat, func() { x.host(func() { x.s.Lost(r.Ref, x.time()) }) })
	}
	w.leases = nil
}

// start gives r to the worker with the least to do.
func (x *simulation) start(r *running) {
	w := slices.MinFunc(x.workers, func(a, b *worker) int {
		if a.dead != b.dead {
			return map[bool]int{true: 1, false: -1}[a.dead]
		}
		return a.load() - b.load()
	})
	r.worker, r.from, r.at = w, x.now, x.now
	x.change(w, func() { w.leases = append(w.leases, r) })
	x.in(r.Time, func() { x.stop(r) })
}

func (x *simulation) stop(r *running) {
	if !r.reading || r.worker.dead {
		return
	}
	x.change(r.worker, func() { r.stop(x.now, x.mean, x.calls) })
	r.left, r.hasLeft = r.rest(x.calls.random), true
	switch {
	case x.keep:
	case len(r.left) == 0:
		x.giveSlots(r, r.Slots)
	case r.asked:
		x.in(min(r.Time/4, shedAfter), func() { x.giveBack(r) })
	default:
		x.in(r.Time/4, func() { x.giveBack(r) })
	}
}

// giveBack has a lease that only finishes give its rest back, and the slots that it does not use.
func (x *simulation) giveBack(r *running) {
	x.change(r.worker, func() {})
	if n := r.uses(); n > 0 {
		r.Slots = n
		x.shed(lease.Shed{Ref: r.Ref, Rest: r.left, Calls: n})
		if n > r.Slots/2 {
			x.giveSlots(r, n)
		}
	}
}

// giveSlots has it give its slots back once half of those that it has are not used.
func (x *simulation) giveSlots(r *running, has int) {
	x.in(max(r.Time/60, slotsAfter), func() {
		x.change(r.worker, func() {})
		switch n := r.uses(); {
		case n > has/2:
			x.giveSlots(r, has)
		case n > 0:
			r.Slots = n
			x.shed(lease.Shed{Ref: r.Ref, Calls: n})
		}
	})
}

// uses is the number of slots that r uses, which are all while another lease of the worker reads.
func (r *running) uses() int {
	n := len(r.ends) + r.queued
	if n == 0 || r.worker.dead {
		return 0
	}
	if slices.ContainsFunc(r.worker.leases, func(o *running) bool { return o.reading }) {
		return r.Slots
	}
	return min(n, r.Slots)
}

func (x *simulation) shed(m lease.Shed) {
	data, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	x.in(toReport, func() {
		x.add(signalEvents, signalBytes+float64(len(data)))
		x.sheds++
		x.host(func() { x.s.Shed(m, x.time()) })
	})
}

// change changes the leases of w, and plans when the next one changes by itself.
func (x *simulation) change(w *worker, do func()) {
	w.advance(x.now, x.mean)
	do()
	w.fill()
	for i := len(w.leases) - 1; i >= 0; i-- {
		if r := w.leases[i]; !r.reading && len(r.ends) == 0 && r.queued == 0 {
			w.leases = slices.Delete(w.leases, i, i+1)
			report := r.report(x.calls.random, x.now)
			x.in(toReport, func() { x.host(func() { x.s.Report(report, x.time()) }) })
		}
	}
	w.share()
	for _, r := range w.leases {
		r.version++
		version := r.version
		if !r.reading || w.exact != nil {
			if len(r.ends) > 0 {
				x.in(r.ends[0]-x.now, func() { x.again(r, version) })
			}
			continue
		}
		left := max(0, r.size-r.done-r.calls)
		x.in(time.Duration(left/r.calls*float64(x.mean)), func() { x.again(r, version) })
	}
}

func (x *simulation) again(r *running, version int) {
	switch {
	case r.version != version || r.worker.dead:
	case r.reading && r.worker.exact == nil:
		x.stop(r)
	default:
		x.change(r.worker, func() {})
	}
}

// obey stops the leases that orders name, and gives slots to others.
func (x *simulation) obey(o coord.Orders) {
	for _, w := range x.workers {
		x.change(w, func() { w.raise(o.Raised) })
		for _, r := range slices.Clone(w.leases) {
			if o.All || slices.Contains(o.Stop, r.Lease.Lease) {
				r.asked = true
				x.stop(r)
			}
		}
	}
}

type event struct {
	at time.Duration
	n  int
	do func()
}

type events []event //nolint:recvcheck // container/heap changes it by Push and Pop alone

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].n < e[j].n
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(v any)   { *e = append(*e, v.(event)) }
func (e *events) Pop() any {
	last := len(*e) - 1
	v := (*e)[last]
	(*e)[last] = event{}
	*e = (*e)[:last]
	return v
}
