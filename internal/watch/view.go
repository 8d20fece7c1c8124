package watch

import (
	"fmt"
	"slices"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/guard"
)

// Snapshot returns the state of the run by the latest reading. The caller owns it.
func (c *Collector) Snapshot() Snapshot {
	groups, expected, calls := c.Groups(), c.expected(), c.calls()
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		calls = []Call{}
	}
	s := c.readings.stats
	out := Snapshot{
		Key: c.key, RunID: c.begin.spec.RunID, Source: c.begin.spec.Source, At: c.readings.at, Begun: c.start, Ended: c.endedAt,
		Live: !c.closed, Version: c.begin.spec.Options.Version, Batch: c.begin.spec.Batch.Items > 0 || c.begin.spec.Batch.Bytes > 0,
		Stats: s, Phase: c.phase, Failures: groups, Marks: slices.Clone(c.marks.list), Omitted: c.marks.omitted,
		Calls: calls, Written: c.readings.written, Spent: Shares(c.readings.spent),
		Durable: c.saved.durability(now, s, c.readings.committed, c.begin.spec.Resumed),
		Limits:  Limits{Concurrency: s.Limit, Rate: s.Rate, Tolerance: c.tolerance, Paused: s.Paused},
	}
	if out.Stats.RunID == "" {
		out.Stats.RunID = out.RunID
	}
	out.Workers, out.Others = workersAt(c.readings.workers, now)
	out.Verdict = Judge(Facts{Stats: s, Phase: c.phase, Cause: c.cause, Err: c.err, Throttling: now.Sub(c.throttle) < recent && !c.closed})
	out.Progress = Bar(s, c.sourceRead(), expected)
	out.Fuel = c.fuel(&groups)
	load := c.readings.load(c.phase)
	out.Slowed = Slowed(load)
	out.Now = c.pace(load)
	if !c.closed {
		out.ETA = c.eta(now, &out, load)
	}
	return out
}

// Series returns the history of the run, from a point on.
func (c *Collector) Series(first int) Series {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.series.from(first)
}

// readAll reports whether no item is read any more. The caller holds mu.
func (c *Collector) readAll() bool { return c.closed || c.allRead || c.phase == dmap.PhaseSaving }

// sourceRead reports whether nothing of the source is left to read. A run that stopped early has
// left some. The caller holds mu.
func (c *Collector) sourceRead() bool {
	if c.allRead || !c.closed {
		return c.allRead
	}
	switch c.final.Reason { // of a run without events
	case "succeeded", "max items":
		return true
	default:
		return c.final.Reason == "" && c.err == ""
	}
}

// expected is the number of items by the host; 0: not known.
func (c *Collector) expected() int64 {
	if c.opts.Total == nil {
		return 0
	}
	limit := c.begin.spec.Options.MaxItems
	n := max(0, c.opts.Total(c.begin.spec.RunID))
	if limit > 0 && n > limit {
		return limit
	}
	return n
}

// fuel is the gauge of the tolerance. In a redrive it is of the items of the redrive alone.
func (c *Collector) fuel(groups *Failures) Fuel {
	s := &c.readings.stats
	failed, of := s.Failed, judged(*s, c.readAll())
	if c.begin.spec.Redrive > 0 {
		failed = groups.Total
		if groups.Whole { // with those that take no part in the redrive
			failed = max(0, s.Failed-c.begin.stats.Failed)
		}
		of = max(failed, settled(*s)-settled(c.begin.stats))
	}
	return Gauge(c.tolerance, failed, of, c.readAll())
}

func (c *Collector) pace(l Load) Pace {
	p := Pace{InCalls: l.Stats.InFlight, Limit: l.Stats.Limit}
	if l.Stats.AdaptedLimit > 0 {
		p.Limit = l.Stats.AdaptedLimit
	}
	if c.closed { // the whole run in this process
		if all := c.endedAt.Sub(c.start).Seconds(); all > 0 {
			d := deltaOf(&c.begin.stats, &l.Stats)
			p.Items, p.Failed = float64(d.Settled)/all, float64(d.Failed)/all
		}
		l.Spent = c.readings.spent
	} else if l.Over > 0 {
		p.Items, p.Failed = float64(l.Delta.Settled)/l.Over.Seconds(), float64(l.Delta.Failed)/l.Over.Seconds()
	}
	p.P50, p.P95 = l.Spent.Calls.Quantile(0.5).Seconds(), l.Spent.Calls.Quantile(0.95).Seconds()
	p.Max = l.Spent.Calls.Quantile(1).Seconds()
	return p
}

// rateTimes are the times whose rates an estimate compares.
func rateTimes() []time.Duration {
	return []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute}
}

func (c *Collector) eta(now time.Time, s *Snapshot, l Load) ETA {
	w := Work{Now: now, Open: s.Progress.AtLeast, Left: s.Progress.Total - settled(s.Stats) - s.Stats.Held, Tail: max(l.P95, l.Oldest)}
	for _, over := range rateTimes() {
		if r, ok := c.series.perSecond(over); ok {
			w.Rates = append(w.Rates, r)
		}
	}
	if all := c.series.until; all >= 3*time.Second {
		if r, ok := c.series.perSecond(all); ok {
			w.Rates = append(w.Rates, r)
		}
	}
	switch s.Verdict.Status {
	case StatusPaused:
		w.Halted = "the run is paused"
	case StatusStopping:
		w.Halted = "the run stops"
	case StatusSaving:
		w.Halted = "the run saves its results"
	}
	return Estimate(w)
}

// calls are the oldest calls in flight, as a reader sees them.
func (c *Collector) calls() []Call {
	c.mu.Lock()
	list, p95 := c.readings.calls, c.readings.spent.Calls.Quantile(0.95)
	errs := make([]error, len(list))
	for i, in := range list {
		if in.Attempt > 1 {
			errs[i] = c.retries.last[in.ID()]
		}
	}
	c.mu.Unlock()
	out := make([]Call, 0, len(list))
	timeout := c.begin.spec.Options.Timeout
	for i, in := range list {
		last := ""
		if errs[i] != nil {
			last = guard.Text(errs[i], maxText)
		}
		key, id, last := Hidden(c.opts.Redact, in.Key, in.ID(), last) // before the text is shortened
		split := in.Split
		if c.opts.Redact != nil {
			split = ""
		}
		out = append(out, Call{
			ID: id, Key: key, Split: split, Items: in.Items, Attempt: in.Attempt, Age: in.Age.Seconds(),
			Slow: Straggles(in.Age, p95), Stuck: timeout > 0 && in.Age > timeout+10*time.Second, Last: firstLine(last), Token: in.IdempotencyKey(),
		})
	}
	return out
}

// Straggles reports whether a call takes much longer than others.
func Straggles(age, p95 time.Duration) bool { return p95 > 0 && age > time.Second && age > 3*p95 }

// Shares says where the time of a run has gone: the sums over all goroutines.
func Shares(t dmap.Times) []Share {
	all := t.Plan + t.Read + t.Calls.Sum + t.Sinks
	share := func(name string, d time.Duration, text string) Share {
		s := Share{Name: name, Seconds: d.Seconds(), Text: text}
		if all > 0 {
			s.Share = float64(d) / float64(all)
		}
		return s
	}
	mean := ""
	if t.Calls.Count > 0 {
		mean = fmt.Sprintf("in all calls, %s on average over %s", Duration(t.Calls.Sum/time.Duration(t.Calls.Count)), Counted(t.Calls.Count, "call"))
	}
	return []Share{
		share("listing", t.Plan, "waiting for the next part of a listing"),
		share("reading", t.Read, "waiting for items of the source"),
		share("function", t.Calls.Sum, mean),
		share("results", t.Sinks, "in the sinks"),
	}
}
