package enginetest

import (
	"testing"
	"time"

	"context"
	"github.com/go-dmap/dmap/batch"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink/results"
)

// started starts a job of n slow calls, and waits until some calls run.
func started(t *testing.T, e Engine, j *Job, n int) Run {
	t.Helper()
	j.Open = slice(n)
	if j.Call == nil {
		j.Call = e.slow(same)
	}
	r, err := e.Start(t, j)
	must(t, err)
	j.await(e, "calls", func(calls, _ int) bool { return calls > j.Options.MaxConcurrency })
	return r
}

// await waits until the counts of calls are as ok wants.
func (j *Job) await(e Engine, what string, ok func(calls, now int) bool) {
	j.t.Helper()
	for range 4000 {
		if ok(j.Meter.count()) {
			return
		}
		must(j.t, wait(j.t.Context(), e.Tick/4+time.Microsecond))
	}
	calls, now := j.Meter.count()
	j.t.Fatalf("waited in vain for %s: %d calls, %d in flight", what, calls, now)
}

// settle waits until an edit holds on all machines.
func (e Engine) settle(t *testing.T) {
	t.Helper()
	must(t, wait(t.Context(), e.ticks(e.Slack)))
}

// limit: no more calls at once than MaxConcurrency, and nearly as many.
func limit(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(400)
	j.Call = e.slow(same)
	must(t, e.run(t, j))
	equal(t, "successes", 400, len(j.load().succeeded))
	j.Meter.read(func(m *Meter) { between(t, "calls at once", 8, m.most, 12) })
}

// edits: the limit follows its edits, and a pause stops all calls.
func edits(t *testing.T, e Engine) {
	j := newJob(t)
	j.Options.MaxConcurrency = 24
	r := started(t, e, j, 1500)
	most := func() (most int) {
		j.Meter.read(func(m *Meter) { m.most = m.now })
		must(t, wait(t.Context(), e.ticks(6)))
		j.Meter.read(func(m *Meter) { most = m.most })
		return most
	}
	must(t, r.SetMaxConcurrency(8))
	j.await(e, "the lower limit", func(_, now int) bool { return now <= 8 })
	e.settle(t)
	between(t, "calls at once after the limit fell", 4, most(), 8)
	must(t, r.Pause())
	j.await(e, "the pause", func(_, now int) bool { return now == 0 })
	e.settle(t)
	before, now := j.Meter.count()
	equal(t, "calls in a pause", 0, now)
	must(t, wait(t.Context(), e.ticks(20)))
	after, _ := j.Meter.count()
	equal(t, "calls after the pause", before, after)
	must(t, r.SetMaxConcurrency(40))
	must(t, r.Resume())
	least := 20
	if e.Real { // there are as many leases as pieces, and these are sized for half a minute
		least = 9
	}
	j.await(e, "the higher limit", func(_, now int) bool { return now >= least })
	between(t, "calls at once after the limit rose", least, most(), 40)
	must(t, r.Wait())
	equal(t, "successes", 1500, len(j.load().succeeded))
}

// wrongEdits: a value that a run cannot have is refused, and changes nothing.
func wrongEdits(t *testing.T, e Engine) {
	j := newJob(t)
	r := started(t, e, j, 300)
	isTrue(t, r.SetMaxConcurrency(0) != nil, "a limit of 0 is refused")
	isTrue(t, r.SetRate(dmap.Rate{Calls: -1}) != nil, "a negative rate is refused")
	isTrue(t, r.SetTolerance(dmap.Tolerance{Percentage: 101}) != nil, "a tolerance of 101 %% is refused")
	must(t, r.Wait())
	equal(t, "successes", 300, len(j.load().succeeded))
}

// inWindows is the most that started within a window.
func (m *Meter) inWindows(window time.Duration, after time.Time) (calls, items int) {
	first, n, k := 0, 0, 0
	for i, s := range m.starts {
		n, k = n+1, k+s.items
		for m.starts[first].at.Before(after) && first < i || s.at.Sub(m.starts[first].at) >= window {
			n, k = n-1, k-m.starts[first].items
			first++
		}
		if !s.at.Before(after) {
			calls, items = max(calls, n), max(items, k)
		}
	}
	return calls, items
}

// rate: no more calls start in a second than the rate of the whole run, also after an edit.
func rate(t *testing.T, e Engine) {
	j := newJob(t)
	j.Options.Rate = dmap.Rate{Calls: 10 * float64(time.Second) / float64(e.ticks(10)), Burst: 1}
	began := time.Now()
	j.Call = e.slow(same)
	j.Open = slice(90)
	r, err := e.Start(t, j)
	must(t, err)
	j.await(e, "40 calls", func(calls, _ int) bool { return calls >= 40 })
	burst := e.bursts(j)
	j.Meter.read(func(m *Meter) {
		calls, _ := m.inWindows(e.ticks(10), began)
		between(t, "calls in ten ticks at one a tick", 3, calls, 10+burst)
	})
	must(t, r.SetRate(dmap.Rate{}))
	must(t, r.Wait())
	equal(t, "successes", 90, len(j.load().succeeded))
}

// bursts is how many calls may start at once: one for each lease.
func (e Engine) bursts(j *Job) int {
	if e.Machines > 1 {
		return 1 + 2*j.Options.MaxConcurrency/j.PerLease
	}
	return 1
}

// itemRate: no more items are called in a second than the rate of the whole run.
func itemRate(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(100)
	j.Limits = batch.Limits{Items: 2}
	j.Batch = func(_ context.Context, in []dmap.Item[string]) ([]string, error) { return make([]string, len(in)), nil }
	j.Options.Rate = dmap.Rate{Items: 10 * float64(time.Second) / float64(e.ticks(10)), Burst: 2}
	began := time.Now()
	must(t, e.run(t, j))
	equal(t, "successes", 100, len(j.load().succeeded))
	j.Meter.read(func(m *Meter) {
		_, items := m.inWindows(e.ticks(20), began)
		between(t, "items in twenty ticks at one a tick", 5, items, 20+2*e.bursts(j))
	})
}

// tolerancesOfARun: a larger tolerance saves a run, and a smaller one ends it at once.
func tolerancesOfARun(t *testing.T, e Engine) {
	j := newJob(t)
	j.Call = e.slow(everyFifth)
	j.Options.Tolerance = dmap.Tolerance{Percentage: 50}
	r := started(t, e, j, 3000)
	must(t, r.SetTolerance(dmap.Tolerance{Percentage: 60}))
	must(t, wait(t.Context(), e.ticks(10)))
	must(t, r.SetTolerance(dmap.Tolerance{Count: 1}))
	mustBe(t, r.Wait(), dmap.ErrTolerance)
	s := j.load()
	equal(t, "tolerance", dmap.Tolerance{Count: 1}, *s.run.Tolerance)
	between(t, "failures", 2, s.run.Stats.Failed, 300)
}

// cancel: the run ends within its calls, and nothing is written after its manifest.
func cancel(t *testing.T, e Engine) {
	j := newJob(t)
	r := started(t, e, j, 3000)
	must(t, r.Cancel())
	mustBe(t, r.Wait(), dmap.ErrCanceled)
	s := j.load()
	equal(t, "status", results.Canceled, s.run.Status)
	equal(t, "reason", "canceled", s.run.Stats.Reason)
	isTrue(t, len(s.succeeded) >= 12, "results are kept, there are %d", len(s.succeeded))
	before := j.count(t)
	must(t, wait(t.Context(), e.ticks(60)))
	equal(t, "objects of the run", before, j.count(t))
	_, now := j.Meter.count()
	equal(t, "calls after the end", 0, now)
	mustBe(t, e.run(t, j), dmap.ErrCanceled)
	mustBe(t, j.local(t.Context()), dmap.ErrCanceled)
	equal(t, "objects of the run", before, j.count(t))
}

// count is the number of objects in the store.
func (j *Job) count(t *testing.T) (n int) {
	t.Helper()
	for _, err := range objects(t.Context(), j.Store) {
		must(t, err)
		n++
	}
	return n
}

// again: the same call after the end of the run changes nothing and calls nothing.
func again(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(100)
	j.Call = e.slow(same)
	must(t, e.run(t, j))
	before, objects := j.load(), j.count(t)
	calls, _ := j.Meter.count()
	must(t, e.run(t, j))
	must(t, j.local(t.Context()))
	equal(t, "the end", before.end(), j.load().end())
	after, _ := j.Meter.count()
	equal(t, "calls", calls, after)
	equal(t, "objects", objects, j.count(t))
}
