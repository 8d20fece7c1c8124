package gate

import (
	"math"
	"time"

	"github.com/go-dmap/dmap/internal/flow"
)

// Grant is what an admitted worker may do.
type Grant struct {
	signal uint64
	falls  int // of the bounds of the pacer, before the Grant
	// Calls is how many calls may start. The worker counts it down.
	Calls int
}

// unlimited is the number of calls of a Grant without a limit.
const unlimited = math.MaxInt

// Limited reports whether the Grant is for a number of calls.
func (g Grant) Limited() bool { return g.Calls < unlimited/2 }

// pacer says when calls may start: by the rate that the user sets, and by the answers of a server
// that throttles. A gate that never needed one reads no clock.
type pacer struct {
	calls, items flow.Bucket // of the user's rate
	adaptive     flow.Adaptive
	rings        *time.Timer // when work may start
}

func (p *pacer) timer() *time.Timer {
	if p == nil {
		return nil
	}
	return p.rings
}

// allow returns how many calls of some work may start now. If none may, wait says when to ask
// again.
func (p *pacer) allow(now time.Time, load Load) (calls int, wait time.Duration) {
	if wait = p.adaptive.Until().Sub(now); wait > 0 {
		return 0, wait
	}
	pacing, each := p.adaptive.Pacing(), load.itemsOfCall()
	byRate := max(p.calls.Wait(now, 1), p.items.Wait(now, float64(each)))
	byServer := pacing.Wait(now, 1)
	if byServer > byRate {
		p.adaptive.Press()
	}
	switch {
	case byServer > 0 || byRate > 0:
		return 0, max(byServer, byRate)
	case p.rate() == 0:
		return unlimited, 0
	case load.Units <= 1:
		return 1, 0
	}
	calls = min(pacing.Available(now, load.Units), p.calls.Available(now, load.Units), p.items.Available(now, load.Items)/each)
	return max(calls, 1), 0
}

// itemsOfCall is the number of items in each call: 1, or a batch.
func (l *Load) itemsOfCall() int { return max(1, l.Items/max(1, l.Units)) }

// rate is the lowest rate, which is also the most calls a second; 0: there is none.
func (p *pacer) rate() float64 {
	lowest := math.Inf(1)
	for _, rate := range [...]float64{p.calls.Rate(), p.items.Rate(), p.adaptive.Rate()} {
		if rate > 0 {
			lowest = min(lowest, rate)
		}
	}
	if math.IsInf(lowest, 1) {
		return 0
	}
	return lowest
}

// take counts the calls of a Grant and their items. Negative numbers return some.
func (p *pacer) take(calls, items int) {
	p.adaptive.Pacing().Take(float64(calls))
	p.calls.Take(float64(calls))
	p.items.Take(float64(items))
}

// slots is how many workers may be active now.
func (g *Gate[W]) slots() int {
	if g.pacer == nil {
		return g.limit
	}
	return g.pacer.adaptive.Slots(g.limit)
}

// admissible returns how many calls of some work may start now. If none may, the gate looks again
// when they may.
func (g *Gate[W]) admissible(load Load) (calls int) {
	p := g.pacer
	if p == nil {
		return unlimited
	}
	now := time.Now()
	p.adaptive.Grow(now, g.limit)
	g.rate.Store(math.Float64bits(p.rate()))
	calls, wait := p.allow(now, load)
	if calls > 0 {
		return calls
	}
	if p.rings == nil {
		p.rings = time.AfterFunc(wait, g.rung)
	} else {
		p.rings.Reset(wait)
	}
	return 0
}

// rung runs when work that waited for its time may start.
func (g *Gate[W]) rung() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stir()
}

// admit returns the Grant of a worker that starts some work. ok is false if it may not start now.
func (g *Gate[W]) admit(load Load) (grant Grant, ok bool) {
	calls := g.admissible(load)
	if calls == 0 {
		return Grant{}, false
	}
	if calls < unlimited {
		g.pacer.take(calls, calls*load.itemsOfCall())
		g.pacer.adaptive.Start(time.Now(), calls)
	}
	g.setYield()
	return Grant{g.signal.Load(), g.falls, calls}, true
}

// GiveBackCalls returns what a worker has not used of its Grant: calls, and items of calls.
func (g *Gate[W]) GiveBackCalls(calls, items int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pacer != nil {
		g.pacer.take(-calls, -items)
		g.stir()
	}
}

// Rate is how many calls a second may start at most; 0: there is no limit.
func (g *Gate[W]) Rate() float64 { return math.Float64frombits(g.rate.Load()) }

// Rate bounds the calls, and the items of calls, that start in a second.
type Rate struct {
	Calls, Items           float64 // 0: no limit
	CallsBurst, ItemsBurst float64 // at once, after a pause; at least 1
}

// SetRate changes the rate, also for the work that waits already.
func (g *Gate[W]) SetRate(r Rate) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pacer == nil {
		if r == (Rate{}) {
			return
		}
		g.pacer = &pacer{}
	}
	now := time.Now()
	g.pacer.calls.Set(now, r.Calls, r.CallsBurst)
	g.pacer.items.Set(now, r.Items, r.ItemsBurst)
	g.rate.Store(math.Float64bits(g.pacer.rate()))
	g.endGrants()
	g.stir()
}

// SpendBurst lets no work start before its rate allows it: the burst belongs to others.
func (g *Gate[W]) SpendBurst() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pacer == nil {
		return
	}
	now := time.Now()
	g.pacer.calls.Empty(now)
	g.pacer.items.Empty(now)
}

// endGrants has the workers give back their tasks after the call that runs, for a new Grant.
func (g *Gate[W]) endGrants() {
	g.signal.Add(2)
	g.setYield()
}

// Throttled is a call that the server has throttled.
type Throttled struct {
	Grant     Grant         // of the call
	Asked     time.Duration // the wait that the server asks for; 0: it does not
	CallTime  time.Duration // the usual time of a call
	Calls     int64         // calls that have returned, about
	Successes int64
	Chance    float64 // random, in [0, 1)
	Fixed     bool    // the limit does not adapt
}

// Throttle slows the work down. It returns false if that call changed nothing, because it started
// before the work was slowed down, or as the server throttles very few.
func (g *Gate[W]) Throttle(t Throttled) (fell bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.done() {
		return false
	}
	if g.pacer == nil {
		g.pacer = &pacer{}
	}
	fell = g.pacer.adaptive.Throttle(flow.Signal{
		Now: time.Now(), Fresh: t.Grant.falls == g.falls, Asked: t.Asked, Slots: g.active, Peak: g.peak,
		Time: t.CallTime, Done: t.Calls, Successes: t.Successes, Chance: t.Chance, Fixed: t.Fixed,
	})
	if fell {
		g.peak = g.active
		g.falls++
	}
	if fell || t.Asked > 0 {
		g.rate.Store(math.Float64bits(g.pacer.rate()))
		g.endGrants()
	}
	return fell
}
