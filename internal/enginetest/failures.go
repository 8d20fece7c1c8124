package enginetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink/results"
)

// someFail fails in two kinds of ways.
func someFail(v string) (string, error) {
	switch v[len(v)-1] {
	case '3':
		return "", fmt.Errorf("no rate for %q", v)
	case '5', '8':
		return "", dmap.Permanent(errors.New("no answer from the bureau"))
	default:
		return v, nil
	}
}

// failuresLive: a run shows its failures by group while it runs, and at the end those that are
// stored.
func failuresLive(t *testing.T, e Engine) { followFailures(t, e, func(*Job, int) {}) }

// failuresOfKilled: no failure is shown twice, though machines die that have shown theirs.
func failuresOfKilled(t *testing.T, e Engine) {
	if e.Machines == 1 {
		return
	}
	followFailures(t, e, func(j *Job, reading int) {
		if reading%20 == 10 && reading < 100 {
			j.killOne()
		}
	})
}

// followFailures compares the failures that a run shows with its results.
func followFailures(t *testing.T, e Engine, each func(j *Job, reading int)) {
	j := newJob(t)
	items := 1200
	if e.Real { // some seconds pass before a lease shows anything
		items *= 3
	}
	j.Open = slice(items)
	j.Call = func(ctx context.Context, v string) (string, error) {
		if err := wait(ctx, e.Tick); err != nil {
			return "", err
		}
		return someFail(v)
	}
	j.Options.Tolerance.Percentage = 100
	run, err := e.Start(t, j)
	must(t, err)
	ended := make(chan error, 1)
	go func() { ended <- run.Wait() }()
	early := int64(0) // failures that were shown before the end
	for reading := 0; ; reading++ {
		each(j, reading)
		select {
		case err := <-ended:
			must(t, err)
			j.sameFailures(run.Failures(), early)
			return
		case <-time.After(e.Tick):
			early = max(early, failures(run.Failures()))
		}
	}
}

// sameFailures fails unless the failures that a run shows at its end are those of its results, and
// some of them were shown before.
func (j *Job) sameFailures(shown []dmap.FailureGroup, early int64) {
	j.t.Helper()
	s := j.load()
	isTrue(j.t, early > 0, "no failure was shown before the end")
	between(j.t, "failures shown before the end", 1, early, int64(len(s.failed)))
	groups, err := results.Groups(j.t.Context(), j.Store, s.run)
	must(j.t, err)
	want, got := map[string]string{}, map[string]string{}
	for _, g := range groups {
		want[g.ID] = fmt.Sprint(g.Class, " ", g.Message, " ", g.Count)
	}
	for _, g := range shown {
		got[g.ID] = fmt.Sprint(g.Class, " ", g.Message, " ", g.Count)
	}
	equal(j.t, "kinds of failures", 2, len(want))
	sameTexts(j.t, "failures by group", want, got)
}

func failures(groups []dmap.FailureGroup) (n int64) {
	for _, g := range groups {
		n += g.Count
	}
	return n
}
