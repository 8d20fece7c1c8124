package flow

import (
	"math"
	"time"
)

// Adaptive finds out how many requests a server takes, from the answers by which it throttles. It
// bounds both the requests in flight and their rate, because a server may limit either: at 500
// requests a second of 3 ms the bound is between one and two in flight.
//
// It has no effect until the server throttles. From then on the bounds are multiples of the point
// at which the server throttled last. They fall at once to a share of that, then grow along a cubic
// curve: fast at first, slowly near that point, and fast again after it, as in CUBIC of TCP
// (RFC 9438). So the requests stay near what the server takes, one probe beyond it costs a few
// throttled requests, and a server that takes twice as many is found within a few periods.
type Adaptive struct {
	engaged bool
	point   point         // where the server throttled last
	share   float64       // of the point that the bounds started with
	grown   time.Duration // the time since then in which the bounds held requests back
	period  time.Duration // after which the bounds are back at the point
	pacing  Bucket

	at      time.Time     // of the last growth
	pressed bool          // the bounds have held a request back since then
	free    time.Duration // the time since they last did
	until   time.Time     // no request may start before this time

	score     float64 // of throttled requests among the recent ones, see count
	doneAt    int64   // Signal.Done of the last signal
	successes int64   // Signal.Successes when the bounds fell last
	failedRow int     // how many times they fell without a success between

	fellAt   time.Time // when the bounds fell last
	doneThen int64     // Signal.Done then
	refused  int64     // throttled requests since then
	stumbles int       // short holds since then

	starts meter
}

// point is a state of the requests.
type point struct {
	slots float64 // in flight
	rate  float64 // starts a second
}

// Signal is a throttled request.
type Signal struct {
	Now   time.Time
	Fresh bool          // the request started after the bounds fell last
	Asked time.Duration // the wait that the server asks for; 0: it does not
	// Slots and Time are the requests in flight and the usual time of one: they tell the rate of a
	// client without bounds. Peak is the most requests in flight since the bounds fell last.
	Slots, Peak int
	Time        time.Duration
	Done        int64   // requests that have ended, throttled or not
	Successes   int64   // so far, of requests or of their parts: only whether they grow counts
	Chance      float64 // random, in [0, 1): for the jitter
	Fixed       bool    // only the shared back-off slows requests, the bounds do not
}

// The curve.
const (
	firstShare = 0.85 // after a time near the point
	againShare = 0.5  // at first, and if the server throttled more than one in ten since the last fall,
	leastShare = 0.1  // or less, down to this, if it throttled most requests

	fewAccepted = 0.9

	shortPeriod = 8 * time.Second
	longPeriod  = time.Minute
	// periodPerWait makes the period so long that the shared back-off after a probe costs 4 % of
	// the time.
	periodPerWait = 25
	// speedUp is how much faster the bounds grow after the period: a server that has more room is
	// found soon.
	speedUp = 2
)

// The score of the throttled requests: each adds 1, and each other request takes 1 % away. A share
// p of throttled requests leads to a score of about 1/(1-0.99^(1/p)).
const (
	scoreFade = 0.99
	// mostScore is reached at about 4.5 %. A server that throttles fewer, and does not ask for a
	// wait, may do so at random: to slow down would not help. One in a hundred at random reaches it
	// once in 200,000 requests.
	mostScore = 5
)

// The shared back-off if the server asks for no wait. Many servers count the requests of each
// second: one that throttles soon after the bounds fell may do so until the second is over, and the
// bounds fall no further. And once nothing succeeds any more, each fall is followed by a longer
// wait.
const (
	settleTime = time.Second
	firstHold  = 100 * time.Millisecond
	longHold   = 30 * time.Second
)

const (
	slowestRate = 1. / 60 // requests a second
	burstTime   = 50 * time.Millisecond
)

// Throttle tells of a throttled request. It returns whether the bounds fell, so that requests in
// flight started before.
func (a *Adaptive) Throttle(s Signal) (fell bool) {
	a.refused++
	a.hold(s.Now, s.Asked, s.Chance/10)
	if !s.Fresh {
		a.doneAt = s.Done
		return false
	}
	if high := a.count(s.Done); !high && s.Asked <= 0 {
		return false
	}
	if s.Successes > a.successes {
		a.failedRow = 0
	}
	a.score = 0
	if s.Asked <= 0 && s.Now.Sub(a.fellAt) < settleTime {
		a.hold(s.Now, min(firstHold<<a.stumbles, settleTime), s.Chance/2)
		a.stumbles++
		return true
	}
	a.failedRow++
	if s.Asked <= 0 && a.failedRow > 1 {
		a.hold(s.Now, min(firstHold<<min(a.failedRow-2, 30), longHold), s.Chance/2)
	}
	if !s.Fixed {
		a.fall(s)
	}
	a.successes, a.fellAt, a.doneThen, a.refused, a.stumbles = s.Successes, s.Now, s.Done, 0, 0
	return true
}

// hold lets no request start for wait, and a share of that more.
func (a *Adaptive) hold(now time.Time, wait time.Duration, jitter float64) {
	if wait <= 0 {
		return
	}
	if until := now.Add(wait + time.Duration(jitter*float64(wait))); until.After(a.until) {
		a.until = until
		a.starts.restart(until)
	}
}

// count counts a throttled request and those that ended before it. It reports whether many of them
// were throttled.
func (a *Adaptive) count(done int64) bool {
	others := max(0, done-a.doneAt-1)
	a.doneAt = done
	a.score = a.score*math.Pow(scoreFade, float64(others)) + 1
	return a.score >= mostScore
}

// fall lowers the bounds.
func (a *Adaptive) fall(s Signal) {
	a.point = a.observed(s)
	a.share = firstShare
	accepted := 1 - float64(a.refused)/float64(max(1, s.Done-a.doneThen))
	if !a.engaged || accepted < fewAccepted {
		a.share = max(leastShare, min(accepted, againShare))
	}
	a.period = min(max(shortPeriod, periodPerWait*min(s.Asked, longPeriod)), longPeriod)
	a.engaged, a.grown = true, 0
	a.at, a.pressed, a.free = s.Now, false, 0
	a.pace(s.Now)
	a.pacing.Empty(s.Now) // those in flight have used it up
}

// observed returns the point at which the server throttled.
func (a *Adaptive) observed(s Signal) point {
	slots := float64(max(1, s.Slots, s.Peak))
	switch {
	case a.engaged:
		scale := a.scale()
		rate := min(a.point.rate*scale, a.starts.rate(s.Now)) // less than the bound if something else held them back
		return point{min(slots, math.Ceil(a.point.slots*scale)), max(rate, slowestRate)}
	case s.Time > 0:
		return point{slots, float64(max(1, s.Slots)) / s.Time.Seconds()}
	}
	return point{slots, math.Inf(1)}
}

// scale is the curve: by what the point is multiplied now.
func (a *Adaptive) scale() float64 {
	depth := 1 - a.share
	x := (a.grown - a.period).Seconds() / a.period.Seconds()
	if x > 0 {
		x *= speedUp
		depth = max(depth, 1-firstShare) // as fast after any fall
	}
	return 1 + depth*x*x*x
}

// pace sets the rate of the requests.
func (a *Adaptive) pace(now time.Time) {
	rate := max(a.point.rate*a.scale(), slowestRate)
	if math.IsInf(rate, 1) {
		a.pacing = Bucket{}
		return
	}
	a.pacing.Set(now, rate, max(1, rate*burstTime.Seconds()))
}

// Grow moves the bounds along the curve, up to ceiling requests in flight. Only the time counts in
// which the bounds held requests back: the other tells nothing about the server.
func (a *Adaptive) Grow(now time.Time, ceiling int) {
	from := a.at
	if a.until.After(from) {
		from = a.until
	}
	if !a.engaged || !now.After(from) {
		return
	}
	step := now.Sub(from)
	a.at = now
	if a.pressed {
		a.pressed, a.free = false, 0
		a.grown += min(step, a.period/4) // a pause may be long
		a.pace(now)
		return
	}
	if a.free += step; a.grown >= a.period && a.free >= a.period && a.slots() >= float64(ceiling) {
		a.engaged, a.pacing = false, Bucket{} // the ceiling is all that bounds the requests
	}
}

// Start counts requests that start.
func (a *Adaptive) Start(now time.Time, n int) { a.starts.add(now, n) }

// Press says that a bound holds a request back.
func (a *Adaptive) Press() { a.pressed = true }

func (a *Adaptive) slots() float64 { return math.Ceil(a.point.slots * a.scale()) }

// Slots is how many requests may be in flight: at most ceiling.
func (a *Adaptive) Slots(ceiling int) int {
	if !a.engaged {
		return ceiling
	}
	return int(max(1, min(a.slots(), float64(ceiling))))
}

// Rate is how many requests may start a second; 0: no limit.
func (a *Adaptive) Rate() float64 { return a.pacing.Rate() }

// Until is the end of the shared back-off; it may have passed.
func (a *Adaptive) Until() time.Time { return a.until }

// Engaged reports whether there are bounds.
func (a *Adaptive) Engaged() bool { return a.engaged }

// Pacing is the bucket of the rate.
func (a *Adaptive) Pacing() *Bucket { return &a.pacing }
