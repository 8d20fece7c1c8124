package enginetest

import (
	"context"
	"testing"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink/results"
)

// slow is a function of one tick.
func (e Engine) slow(f func(v string) (string, error)) func(ctx context.Context, v string) (string, error) {
	return func(ctx context.Context, v string) (string, error) {
		if err := wait(ctx, e.Tick); err != nil {
			return "", err
		}
		return f(v)
	}
}

func same(v string) (string, error) { return v, nil }

func bad(string) (string, error) { return "", errBad }

// tolerance: the run fails once more items have failed than it tolerates, and not long after.
func tolerance(tolerated dmap.Tolerance, f func(v string) (string, error), least, most int64) func(t *testing.T, e Engine) {
	return func(t *testing.T, e Engine) {
		j := newJob(t)
		j.Open = slice(3000)
		j.Call = e.slow(f)
		j.Options.Tolerance = tolerated
		mustBe(t, e.run(t, j), dmap.ErrTolerance)
		s := j.load()
		equal(t, "status", results.Failed, s.run.Status)
		equal(t, "reason", "tolerance", s.run.Stats.Reason)
		over := int64(0)
		if e.Machines > 1 { // a call in flight and one more for each lease
			over = int64(j.Options.MaxConcurrency + j.Options.MaxConcurrency/j.PerLease)
		}
		between(t, "failures", least, s.run.Stats.Failed, most+over)
		isTrue(t, s.run.Unread.All || len(s.run.Unread.Splits) > 0 || s.run.Unread.After != nil, "the rest is unread")
	}
}

func everyFifth(v string) (string, error) {
	if last := v[len(v)-1]; last == '3' || last == '8' {
		return "", errBad
	}
	return v, nil
}

// tolerated: as many failures as are tolerated are a success, also at the very end.
func tolerated(limit dmap.Tolerance) func(t *testing.T, e Engine) {
	return func(t *testing.T, e Engine) {
		j := newJob(t)
		j.Open = slice(200)
		j.Call = e.slow(everyFifth)
		j.Options.Tolerance = limit
		must(t, e.run(t, j))
		s := j.load()
		equal(t, "failures", 40, len(s.failed))
		equal(t, "status", results.Succeeded, s.run.Status)
		equal(t, "tolerance", limit, *s.run.Tolerance)
	}
}

// judgedAtTheEnd: a percentage of all items is exceeded by the last ones.
func judgedAtTheEnd(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(200)
	j.Call = e.slow(everyFifth)
	j.Options.Tolerance = dmap.Tolerance{Percentage: 19.9, MinItems: 1000}
	mustBe(t, e.run(t, j), dmap.ErrTolerance)
	s := j.load()
	equal(t, "failures", 40, len(s.failed))
	equal(t, "successes", 160, len(s.succeeded))
}

// firstItems: MaxItems takes exactly the first items that the source does not skip.
func firstItems(t *testing.T, e Engine) {
	j := newJob(t)
	inputs()["filter"].fill(t, j.Store)
	j.Open = inputs()["filter"].open
	j.Call = e.slow(outcome)
	j.Options.MaxItems = 70
	j.Options.Tolerance = dmap.Tolerance{Percentage: 60}
	want := j.apart()
	must(t, want.local(t.Context()))
	must(t, e.run(t, j))
	s, w := j.load(), want.load()
	sameTexts(t, "successes", w.succeeded, s.succeeded)
	sameTexts(t, "failures", w.failed, s.failed)
	// The skipped items after the last one may count or not.
	got, other := s.end(), w.end()
	got.Read, got.Skipped, other.Read, other.Skipped = 0, 0, 0, 0
	equal(t, "the end", other, got)
	calls, _ := j.Meter.count()
	equal(t, "calls", 70, calls)
}
