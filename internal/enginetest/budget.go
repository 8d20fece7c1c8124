package enginetest

import (
	"context"
	"testing"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/sink/results"
)

func callsOf(s dmap.Stats) float64 { return float64(s.Calls) }
func bytesOf(s dmap.Stats) float64 { return float64(s.Bytes) }
func unitsOf(s dmap.Stats) float64 { return s.Units }

// budget: a run that has used its budget is open, and the same call continues it with a fresh one.
// most is the largest use of a process; a call or a lease in flight may use more than the budget.
func budget(b func(e Engine) dmap.Budget, field string, use func(s dmap.Stats) float64, most float64, perCall, perLease float64) func(t *testing.T, e Engine) {
	return func(t *testing.T, e Engine) {
		j := newJob(t)
		j.Open = inputs()["csv"].open
		inputs()["csv"].fill(t, j.Store)
		j.Options.Budget = b(e)
		call := e.Tick
		if e.Real && field == "Time" { // that of the start counts
			j.Options.Budget.Time, call = 4*time.Second, 500*time.Millisecond
		}
		j.Call = func(ctx context.Context, v string) (string, error) {
			if err := wait(ctx, call); err != nil {
				return "", err
			}
			return v, dmap.Spend(ctx, 1)
		}
		over := perCall * float64(j.Options.MaxConcurrency)
		if e.Machines > 1 {
			over += perLease * float64(j.Options.MaxConcurrency/j.PerLease)
		}
		before := 0.0
		for process := 1; ; process++ {
			isTrue(t, process < 20, "the run makes no progress")
			err := e.run(t, j)
			s := j.load()
			now := use(s.run.Stats)
			between(t, "the use of a process", 0, now-before, most+over)
			before = now
			if err == nil {
				isTrue(t, process > 2 || field == "Time", "the budget is enough for %d processes", process)
				break
			}
			mustBe(t, err, dmap.ErrBudget, dmap.ErrOpen)
			spent, _ := guard.As[*dmap.BudgetError](err)
			isTrue(t, spent != nil && spent.Field == field && !spent.Total, "a BudgetError of %s, got %v", field, err)
			equal(t, "status", results.Open, s.run.Status)
			equal(t, "reason", "budget", s.run.Stats.Reason)
		}
		equal(t, "successes", 300, len(j.load().succeeded))
		calls, _ := j.Meter.count()
		equal(t, "calls", 300, calls)
	}
}
