package enginetest

import (
	"context"
	"testing"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/sink/results"
)

// totalBudget: a budget of the run ends all processes of it together, and a larger one continues
// it.
func totalBudget(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(100)
	j.Call = e.slow(same)
	j.Options.Budget.Calls = 25
	j.Options.TotalBudget.Calls = 60
	mustBe(t, e.run(t, j), dmap.ErrBudget, dmap.ErrOpen)
	mustBe(t, j.local(t.Context()), dmap.ErrBudget, dmap.ErrOpen)
	for range 2 { // now the total is spent: the same call does not help
		err := e.run(t, j)
		mustBe(t, err, dmap.ErrBudget)
		isTrue(t, !guard.Is(err, dmap.ErrOpen), "the same call does not continue: %v", err)
		s := j.load()
		equal(t, "status", results.Open, s.run.Status)
		equal(t, "reason", "total budget", s.run.Stats.Reason)
		calls, _ := j.Meter.count()
		equal(t, "calls", 60, calls)
	}
	j.Options.Budget, j.Options.TotalBudget.Calls = dmap.Budget{}, 100 // exactly what the run needs
	must(t, e.run(t, j))
	equal(t, "successes", 100, len(j.load().succeeded))
}

// totalTime: the time of all processes counts.
func totalTime(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(400)
	j.Call = e.slow(same)
	j.Options.Budget.Time = e.ticks(8)
	mustBe(t, e.run(t, j), dmap.ErrBudget)
	j.Options.Budget.Time, j.Options.TotalBudget.Time = 0, e.ticks(14)
	mustBe(t, e.run(t, j), dmap.ErrBudget)
	equal(t, "reason", "total budget", j.load().run.Stats.Reason)
	before, _ := j.Meter.count()
	mustBe(t, e.run(t, j), dmap.ErrBudget)
	after, _ := j.Meter.count()
	equal(t, "calls without time", before, after)
	j.Options.TotalBudget.Time = 0
	must(t, e.run(t, j))
	equal(t, "successes", 400, len(j.load().succeeded))
}

// enough: the run ends after enough successes, those of earlier processes too.
func enough(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(300)
	j.Call = e.slow(same)
	j.Options.Enough = 50
	j.Options.Budget.Calls = 30
	mustBe(t, e.run(t, j), dmap.ErrBudget)
	j.Options.Budget = dmap.Budget{}
	must(t, e.run(t, j))
	s := j.load()
	equal(t, "status", results.Succeeded, s.run.Status)
	equal(t, "reason", "enough", s.run.Stats.Reason)
	isTrue(t, s.run.Stats.Truncated, "the run is truncated")
	equal(t, "unread", dmap.Unread{}, s.run.Unread)
	equal(t, "pending", 0, len(s.pending))
	between(t, "successes", 50, len(s.succeeded), 50+j.Options.MaxConcurrency)
	must(t, e.run(t, j)) // it has ended
	equal(t, "successes of an ended run", len(s.succeeded), len(j.load().succeeded))
}

// enoughWithFailures: failures beyond the tolerance are no success. Retries do not count.
func enoughWithFailures(t *testing.T, e Engine) {
	for _, tolerated := range []float64{10, 30} {
		j := newJob(t)
		j.Open = slice(300)
		j.Call = func(ctx context.Context, v string) (string, error) {
			if err := wait(ctx, e.Tick); err != nil {
				return "", err
			}
			return everyFifth(v)
		}
		j.Options.Enough = 80
		j.Options.Tolerance = dmap.Tolerance{Percentage: tolerated, MinItems: 1000}
		err := e.run(t, j)
		s := j.load()
		between(t, "successes", 80, len(s.succeeded), 80+j.Options.MaxConcurrency)
		if tolerated < 20 {
			mustBe(t, err, dmap.ErrTolerance)
			equal(t, "reason", "tolerance", s.run.Stats.Reason)
			continue
		}
		must(t, err)
		equal(t, "reason", "enough", s.run.Stats.Reason)
	}
}

// enoughAtTheEnd: a run that has enough successes with its last item ends as with dmap.Map, whether
// an item is held or not: nothing of its source is left.
func enoughAtTheEnd(t *testing.T, e Engine) {
	for _, held := range []int{0, 1} {
		j := newJob(t)
		j.Open = slice(40)
		j.Call = e.holding(held)
		j.Options.Enough = int64(40 - held)
		want := j.apart()
		must(t, want.local(t.Context()))
		must(t, e.run(t, j))
		equal(t, "reason", "enough", want.load().run.Stats.Reason)
		equal(t, "the end", want.load().end(), j.load().end())
	}
}

// holding is a function of one tick that holds the first items.
func (e Engine) holding(n int) func(ctx context.Context, v string) (string, error) {
	return func(ctx context.Context, v string) (string, error) {
		if err := wait(ctx, e.Tick); err != nil {
			return "", err
		}
		if info, _ := dmap.InfoFrom(ctx); info.Offset < int64(n) {
			return "", dmap.Hold("look at " + v)
		}
		return v, nil
	}
}

// enoughInRedrive: the same for a redrive that reads the rest of the source, and holds an item.
func enoughInRedrive(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(200)
	j.Call = func(ctx context.Context, v string) (string, error) {
		if info, _ := dmap.InfoFrom(ctx); info.Redrive == 1 {
			return e.holding(1)(ctx, v)
		}
		return e.slow(bad)(ctx, v)
	}
	ends := func(j *Job, run func() error) end {
		j.Options.Enough = 199
		mustBe(t, run(), dmap.ErrTolerance)
		j.Options.Redrive = dmap.Redrive{Max: 1}
		must(t, run())
		out := j.load().end()
		out.Calls, out.Retries = 0, 0 // of the run before
		return out
	}
	other := j.apart()
	want := ends(other, func() error { return other.local(t.Context()) })
	equal(t, "reason", "enough", want.Reason)
	equal(t, "the end", want, ends(j, func() error { return e.run(t, j) }))
}
