package enginetest

import (
	"context"
	"strings"
	"testing"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/sink/results"
)

// holds: held items wait for a decision, and then run again or fail.
func holds(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(100)
	j.Call = func(ctx context.Context, v string) (string, error) {
		info, _ := dmap.InfoFrom(ctx)
		if strings.HasSuffix(v, "3") && info.Decision == nil {
			return "", dmap.Hold("look at " + v)
		}
		return v, nil
	}
	j.Options.Tolerance = dmap.Tolerance{Count: 5}
	for range 2 { // nothing changes before the decision
		err := e.run(t, j)
		mustBe(t, err, dmap.ErrHeld)
		isTrue(t, !guard.Is(err, dmap.ErrOpen), "the same call does not continue: %v", err)
		s := j.load()
		equal(t, "status", results.Open, s.run.Status)
		equal(t, "reason", "held", s.run.Stats.Reason)
		equal(t, "held", 10, len(s.held))
		equal(t, "successes", 90, len(s.succeeded))
	}
	s := j.load()
	yes, no := []string{}, []string{}
	for id := range s.held {
		if len(no) < 4 {
			no = append(no, id)
		} else {
			yes = append(yes, id)
		}
	}
	must(t, results.Approve(t.Context(), j.Store, Out, j.ID, results.Verdict{By: "me"}, yes...))
	must(t, results.Reject(t.Context(), j.Store, Out, j.ID, results.Verdict{By: "me"}, no...))
	must(t, e.run(t, j))
	s = j.load()
	equal(t, "status", results.Succeeded, s.run.Status)
	equal(t, "successes", 96, len(s.succeeded))
	for _, id := range no {
		equal(t, "the class of "+id, "rejected", s.failed[id])
	}
	equal(t, "failures", 4, len(s.failed))
}

// refusesOr runs the job, or sees that the engine refuses it by an error that names dmap.Map, which
// then does it.
func (e Engine) refusesOr(t *testing.T, a Ability, j *Job) {
	t.Helper()
	err := e.run(t, j)
	if e.can(a) {
		must(t, err)
		return
	}
	refused(t, a, err)
	must(t, j.local(t.Context()))
}

func refused(t *testing.T, a Ability, err error) {
	t.Helper()
	isTrue(t, err != nil && strings.Contains(guard.Text(err, 4<<10), "dmap.Map"), "%s: want an error that names dmap.Map, got %v", a, err)
}
