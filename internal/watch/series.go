package watch

import (
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// pointLimit is the number of points at which a series doubles its step.
const pointLimit = 240

// seriesStep is the first step of a series.
const seriesStep = time.Second

// Delta is the change of a run between two readings.
type Delta struct {
	Settled, Failed, Throttled, Retries, Commits int64
	InFlight, Limit, Adapted                     int // at the second reading
}

// Point is a part of the time axis. Numbers without a unit are counts within the point.
type Point struct {
	At        float64 `json:"t"`           // seconds since the start of this process of the run
	Seconds   float64 `json:"d"`           // the length of the point; that of the last one may differ from the step
	Settled   int64   `json:"n"`           // items
	Failed    int64   `json:"f,omitempty"` // of them
	Throttled int64   `json:"th,omitempty"`
	Retries   int64   `json:"r,omitempty"`
	Commits   int64   `json:"c,omitempty"`
	P50       float64 `json:"p50,omitempty"` // seconds of a call; 0: none ended
	P95       float64 `json:"p95,omitempty"`
	Max       float64 `json:"max,omitempty"`
	InFlight  float64 `json:"in"`          // calls, the mean of the readings
	Limit     int     `json:"l"`           // calls at once, at the end of the point
	Adapted   int     `json:"a,omitempty"` // the lower limit because of throttling; 0: none
}

// Series is the history of a run. A point covers Step seconds; as the run gets longer, the step
// doubles, so the number of points stays bounded.
type Series struct {
	Start  time.Time `json:"start"`
	Step   float64   `json:"step"`  // seconds
	Until  float64   `json:"until"` // seconds since Start: the latest reading
	Points []Point   `json:"points"`
}

// series keeps the points, with the sums and call times by which it joins them.
type series struct {
	start  time.Time
	step   time.Duration
	until  time.Duration
	points []seriesPoint
}

type seriesPoint struct {
	settled, failed, throttled, retries, commits int64
	inFlight, readings                           int64
	limit, adapted                               int

	calls         *dmap.CallTimes // all of the run until the end of the point
	p50, p95, max time.Duration   // of the point
}

// noCalls is the histogram before the first point.
var noCalls dmap.CallTimes //nolint:gochecknoglobals // nothing writes to it

func newSeries(start time.Time) series {
	return series{start: start, step: seriesStep}
}

// add adds the change that a reading at a time has found, and the call times until then.
func (s *series) add(at time.Time, d Delta, calls *dmap.CallTimes) {
	before := s.until
	s.until = max(before, at.Sub(s.start), 1)
	i := s.index(before)
	for i >= pointLimit {
		s.halve()
		i = s.index(before)
	}
	for len(s.points) <= i {
		p := seriesPoint{calls: &noCalls}
		if n := len(s.points); n > 0 { // the limit holds while nobody reads
			before := &s.points[n-1]
			p.limit, p.adapted, p.calls = before.limit, before.adapted, before.calls
		}
		s.points = append(s.points, p)
	}
	s.points[i].add(d)
	s.time(i, calls)
}

// time sets the call times until the end of a point, and with it those of the point.
func (s *series) time(i int, calls *dmap.CallTimes) {
	before, p := &noCalls, &s.points[i]
	if i > 0 {
		before = s.points[i-1].calls
	}
	p.calls = before
	if p.p50, p.p95, p.max = 0, 0, 0; calls.Count > before.Count {
		within := calls.Since(*before)
		p.calls, p.p50, p.p95, p.max = calls, within.Quantile(0.5), within.Quantile(0.95), within.Quantile(1)
	}
}

// index is the point of the latest reading, by the middle of the time since the reading before:
// readings come about as often as points end. The last point may be somewhat longer than the step,
// so that a reading right after a point does not make a point of its own.
func (s *series) index(before time.Duration) int {
	middle := s.until - 1
	if took := s.until - before; took < 2*s.step { // otherwise the process has slept
		middle = before + took/2
	}
	i := int(middle / s.step)
	if last := len(s.points) - 1; i > last && last >= 0 && s.until-time.Duration(last+1)*s.step < s.step/4 {
		return last
	}
	return i
}

// halve joins the points by two and doubles the step.
func (s *series) halve() {
	joined := s.points[:0]
	for i := 0; i < len(s.points); i += 2 {
		p := s.points[i]
		if i+1 < len(s.points) {
			p.join(&s.points[i+1])
		}
		joined = append(joined, p)
	}
	clear(s.points[len(joined):])
	s.points = joined
	s.step *= 2
	for i := range s.points {
		s.time(i, s.points[i].calls)
	}
}

func (p *seriesPoint) add(d Delta) {
	p.settled += d.Settled
	p.failed += d.Failed
	p.throttled += d.Throttled
	p.retries += d.Retries
	p.commits += d.Commits
	p.inFlight += int64(d.InFlight)
	p.readings++
	p.limit, p.adapted = d.Limit, d.Adapted
}

func (p *seriesPoint) join(q *seriesPoint) {
	p.settled += q.settled
	p.failed += q.failed
	p.throttled += q.throttled
	p.retries += q.retries
	p.commits += q.commits
	p.inFlight += q.inFlight
	p.readings += q.readings
	p.limit, p.adapted = q.limit, q.adapted
	p.calls = q.calls
}

// from returns the points from one on.
func (s *series) from(first int) Series {
	out := Series{Start: s.start, Step: s.step.Seconds(), Until: s.until.Seconds(), Points: []Point{}}
	for i := max(first, 0); i < len(s.points); i++ {
		p := &s.points[i]
		begin, length := time.Duration(i)*s.step, s.step
		if i == len(s.points)-1 {
			length = s.until - begin
		}
		point := Point{
			At: begin.Seconds(), Seconds: length.Seconds(),
			Settled: p.settled, Failed: p.failed, Throttled: p.throttled, Retries: p.retries, Commits: p.commits,
			Limit: p.limit, Adapted: p.adapted,
		}
		if p.readings > 0 {
			point.InFlight = float64(p.inFlight) / float64(p.readings)
		}
		point.P50, point.P95, point.Max = p.p50.Seconds(), p.p95.Seconds(), p.max.Seconds()
		out.Points = append(out.Points, point)
	}
	return out
}

// perSecond is the rate of settled items over the latest points that cover a time. ok is false if
// the series is shorter.
func (s *series) perSecond(over time.Duration) (rate float64, ok bool) {
	if s.until < over || over <= 0 {
		return 0, false
	}
	var settled int64
	i := len(s.points) - 1
	for ; i >= 0; i-- {
		settled += s.points[i].settled
		if begin := time.Duration(i) * s.step; s.until-begin >= over {
			return float64(settled) / (s.until - begin).Seconds(), true
		}
	}
	return 0, false
}

// finish drops the histograms: no point is added or joined any more.
func (s *series) finish() {
	for i := range s.points {
		s.points[i].calls = nil
	}
}
