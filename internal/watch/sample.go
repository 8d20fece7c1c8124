package watch

import (
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/guard"
)

// oldestCalls is how many calls in flight a reading keeps.
const oldestCalls = 10

// sample reads the run until it has ended. It is the only goroutine of a Collector.
func (c *Collector) sample() {
	if c.begin.run == nil {
		return
	}
	ticks := time.NewTicker(c.opts.Every)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			c.takeReading()
		case <-c.over:
			return
		case <-c.begin.run.Done(): // the observer has lost RunEnded, or there is none
			c.lastReading()
			return
		}
	}
}

func (c *Collector) takeReading() {
	run, committed := c.begin.run, c.committedSoFar()
	stats, spent, calls, written := run.Stats(), run.Times(), run.InFlight(oldestCalls), run.Written()
	workers, failed := workersOf(run), wholeFailures(run)
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.readings.written, c.readings.committed = written, committed
		c.read(now, stats, &spent, calls)
		for _, text := range losses(c.readings.workers, workers) {
			c.marks.add(now, MarkLost, text)
		}
		c.readings.workers, c.readings.failures = workers, failed
	}
}

// committedSoFar is how many items the commits of this process have settled. A reading takes it
// before Stats: a commit between the two then makes Durability.RunAgain too large, never too small.
func (c *Collector) committedSoFar() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.saved.count
}

// lastReading ends a Collector that no event ends.
func (c *Collector) lastReading() {
	stats, spent, text := c.begin.run.Stats(), c.spent(), ""
	if _, err := c.begin.run.Wait(); err != nil { // it returns at once: Done is closed
		text = guard.Text(err, maxCause)
	}
	failed, now := wholeFailures(c.begin.run), time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readings.failures = failed
	c.end(now, stats, text, spent)
}

// readings are the latest readings: the newest one, and older ones to compare it with.
type readings struct {
	at        time.Time
	stats     dmap.Stats
	spent     dmap.Times
	calls     []dmap.InFlightCall
	workers   []dmap.RunWorker
	failures  *Failures // nil: those of the events count
	written   int64
	committed int64     // saved.count
	ring      []reading // of the latest minute, the oldest first
}

type reading struct {
	at    time.Time
	stats dmap.Stats
	spent *dmap.Times
}

// recent is the time over which the pace of a run is measured.
const recent = 10 * time.Second

func (r *readings) first(now time.Time, s dmap.Stats) {
	r.at, r.stats = now, s
	r.ring = []reading{{now, s, &dmap.Times{}}}
}

// read adds a reading. The caller holds mu.
func (c *Collector) read(now time.Time, s dmap.Stats, spent *dmap.Times, calls []dmap.InFlightCall) {
	r := &c.readings
	if spent == nil {
		spent = &dmap.Times{}
	}
	d := deltaOf(&r.stats, &s)
	d.Commits, c.commits = c.commits, 0
	times := spent.Calls
	c.series.add(now, d, &times)
	r.at, r.stats, r.spent, r.calls = now, s, *spent, calls
	r.ring = append(r.ring, reading{now, s, spent})
	for len(r.ring) > 2 && now.Sub(r.ring[1].at) >= recent {
		r.ring = append(r.ring[:0], r.ring[1:]...)
	}
}

// deltaOf is the change between two readings. Counts that a redrive has lowered count as no change.
func deltaOf(before, now *dmap.Stats) Delta {
	return Delta{
		Settled: max(0, settled(*now)-settled(*before)), Failed: max(0, now.Failed-before.Failed),
		Throttled: max(0, now.Throttled-before.Throttled), Retries: max(0, now.Retries-before.Retries),
		InFlight: now.InFlight, Limit: now.Limit, Adapted: now.AdaptedLimit,
	}
}

// load is what the latest readings say about the pace.
func (r *readings) load(phase dmap.Phase) Load {
	first := r.ring[0]
	l := Load{Stats: r.stats, Phase: phase, Delta: deltaOf(&first.stats, &r.stats), Over: r.at.Sub(first.at)}
	l.Started = max(0, r.stats.Calls-first.stats.Calls)
	l.Spent = dmap.Times{
		Plan: r.spent.Plan - first.spent.Plan, Read: r.spent.Read - first.spent.Read, Sinks: r.spent.Sinks - first.spent.Sinks,
		Calls: r.spent.Calls.Since(first.spent.Calls),
	}
	l.P95 = r.spent.Calls.Quantile(0.95)
	if len(r.calls) > 0 {
		l.Oldest = r.calls[0].Age
	}
	return l
}
