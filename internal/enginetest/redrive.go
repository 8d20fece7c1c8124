package enginetest

import (
	"context"
	"strings"
	"testing"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

// redriven are the calls of redrive n; those of the run before are outcomes.
func redriven(n int, f func(v string) (string, error)) func(ctx context.Context, v string) (string, error) {
	return func(ctx context.Context, v string) (string, error) {
		if info, _ := dmap.InfoFrom(ctx); info.Redrive != n {
			return outcome(v)
		}
		return f(v)
	}
}

func repaired(v string) (string, error) { return "repaired " + v, nil }

// redrives: the failed items of a run that has ended are called again, once each, and the other
// results stay. It is the same for each kind of source.
func redrives(in input) func(t *testing.T, e Engine) {
	return func(t *testing.T, e Engine) {
		j := newJob(t)
		in.fill(t, j.Store)
		j.Open = in.open
		j.Call = redriven(1, repaired)
		j.Options.Tolerance = dmap.Tolerance{Percentage: 60}
		must(t, e.run(t, j))
		before := j.load()
		calls, _ := j.Meter.count()
		j.Options.Redrive = dmap.Redrive{Max: 1, Tolerated: true}
		must(t, e.run(t, j))
		after := j.load()
		more, _ := j.Meter.count()
		equal(t, "calls", taken(before.failed), more-calls)
		equal(t, "successes and failures", len(before.succeeded)+len(before.failed), len(after.succeeded)+len(after.failed))
		for id, class := range before.failed {
			if class == "error" {
				isTrue(t, strings.HasPrefix(after.succeeded[id], "repaired "), "item %s: %s", id, after.succeeded[id])
			}
		}
		for id, text := range before.succeeded {
			equal(t, "item "+id, text, after.succeeded[id])
		}
		equal(t, "redrives", 1, after.run.Stats.Redrives)
		must(t, e.run(t, j)) // it has ended: nothing is called
		again, _ := j.Meter.count()
		equal(t, "calls of an ended run", more, again)
	}
}

// taken is the number of items whose calls have failed: the source cannot read the others.
func taken(failed map[string]string) (n int) {
	for _, class := range failed {
		if class == "error" {
			n++
		}
	}
	return n
}

// redriveUnread: a run that has ended early is redriven: its failures run again, and then the rest
// of the source.
func redriveUnread(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(600)
	j.Call = e.slow(outcome)
	mustBe(t, e.run(t, j), dmap.ErrTolerance)
	j.Call = e.slow(func(v string) (string, error) { return "<" + v + ">", nil })
	j.Options.Redrive = dmap.Redrive{Max: 1}
	j.Options.Version = "2" // the function may be another
	must(t, e.run(t, j))
	s := j.load()
	equal(t, "status", results.Succeeded, s.run.Status)
	equal(t, "successes and skipped items", int64(600), s.run.Stats.Succeeded+s.run.Stats.Skipped)
	equal(t, "read", int64(600), s.run.Stats.Read)
}

// redriveFails: a redrive whose items fail again ends the run again, by its own failures; the next
// one takes them, up to Max.
func redriveFails(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(300)
	j.Call = e.slow(everyFifth)
	j.Options.Tolerance = dmap.Tolerance{Count: 20}
	mustBe(t, e.run(t, j), dmap.ErrTolerance)
	j.Options.Redrive = dmap.Redrive{Max: 2}
	for n := 1; n <= 2; n++ {
		if n == 2 {
			j.Call = e.slow(same)
		}
		err := e.run(t, j)
		s := j.load()
		equal(t, "redrives", n, s.run.Stats.Redrives)
		if n == 1 {
			mustBe(t, err, dmap.ErrTolerance)
			equal(t, "status", results.Failed, s.run.Status)
			continue
		}
		must(t, err)
		equal(t, "successes", 300, len(s.succeeded))
	}
}

// trial: a trial calls some failed items, and leaves everything else as it is.
func trial(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(200)
	j.Call = e.slow(bad)
	j.Options.Tolerance = dmap.Tolerance{Count: 30}
	mustBe(t, j.local(t.Context()), dmap.ErrTolerance)
	before := j.load()
	j.Call = e.slow(same)
	j.Options.Redrive = dmap.Redrive{Limit: 5}
	calls, _ := j.Meter.count()
	mustBe(t, e.run(t, j), dmap.ErrEnded)
	more, _ := j.Meter.count()
	equal(t, "calls", 5, more-calls)
	s := j.load()
	equal(t, "successes", len(before.succeeded)+5, len(s.succeeded))
	equal(t, "failures", len(before.failed)-5, len(s.failed))
	equal(t, "pending", len(before.pending), len(s.pending))
	equal(t, "read", before.run.Stats.Read, s.run.Stats.Read)
	equal(t, "unread", before.run.Unread, s.run.Unread)
	equal(t, "status and reason", []string{string(before.run.Status), before.run.Stats.Reason}, []string{string(s.run.Status), s.run.Stats.Reason})
	j.Options.Redrive = dmap.Redrive{Max: 1} // a trial does not count
	must(t, e.run(t, j))
	equal(t, "all successes", 200, len(j.load().succeeded))
}

// choices: a redrive takes the items of its choice, also of a run that was canceled.
func choices(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(400)
	j.Call = e.slow(outcome)
	j.Options.Tolerance = dmap.Tolerance{Percentage: 60}
	r, err := e.Start(t, j)
	must(t, err)
	j.await(e, "calls", func(calls, _ int) bool { return calls > 150 })
	must(t, r.Cancel())
	mustBe(t, r.Wait(), dmap.ErrCanceled)
	before := j.load()
	j.Call = e.slow(func(v string) (string, error) { return "<" + v + ">", nil })
	j.Options.Redrive = dmap.Redrive{Max: 1}
	mustBe(t, e.run(t, j), dmap.ErrCanceled) // it is not asked to redrive a canceled run
	j.Options.Redrive = dmap.Redrive{Max: 1, Canceled: true, Classes: []string{"no such class"}}
	must(t, e.run(t, j))
	after := j.load()
	equal(t, "redrives", 1, after.run.Stats.Redrives)
	for id, class := range before.failed {
		equal(t, "item "+id+", which was not taken", class, after.failed[id])
	}
	equal(t, "all items", int64(400), after.run.Stats.Succeeded+after.run.Stats.Failed+after.run.Stats.Skipped)
}

// redriveKills: all processes of a redrive die at random operations of the store, and the same
// engine or dmap.Map continues.
func redriveKills(t *testing.T, e Engine) {
	runs := testsize.Sizes{Short: 2, Race: 2, Usual: 8, Long: 200}.Now()
	if e.Real {
		runs = 1
	}
	for n := range runs {
		j := newJob(t)
		j.Open = slice(300)
		j.Call = e.slow(outcome)
		if n%2 == 0 { // all was read
			j.Options.Tolerance = dmap.Tolerance{Percentage: 60}
		}
		_ = j.local(t.Context())
		j.Call = e.slow(func(v string) (string, error) { return "<" + v + ">", nil })
		j.Options.Redrive = dmap.Redrive{Max: 1, Tolerated: true}
		j.Options.DrainTimeout = e.Tick
		for i := range 4 {
			at := int64(3 + (17*i+31*n)%70)
			t.Log("all die at operation", at)
			if err := e.dies(t, j, at); err == nil {
				break
			}
			if i == 1 { // dmap.Map continues, and is interrupted
				ctx, cancel := context.WithTimeout(t.Context(), e.ticks(3))
				_ = j.local(ctx)
				cancel()
			}
		}
		must(t, e.run(t, j))
		s := j.load()
		equal(t, "successes and skipped items", int64(300), s.run.Stats.Succeeded+s.run.Stats.Skipped)
		equal(t, "read", int64(300), s.run.Stats.Read)
		equal(t, "redrives", 1, s.run.Stats.Redrives)
	}
}

// heldInRedrive: items that a redrive holds are decided, and run again in the same redrive.
func heldInRedrive(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(100)
	j.Options.Tolerance = dmap.Tolerance{Count: 50}
	j.Call = e.slow(outcome)
	must(t, e.run(t, j))
	j.Call = func(ctx context.Context, v string) (string, error) {
		info, _ := dmap.InfoFrom(ctx)
		if info.Decision == nil {
			return "", dmap.Hold("look at " + v)
		}
		equal(t, "redrive", 1, info.Redrive)
		return v, nil
	}
	j.Options.Redrive = dmap.Redrive{Max: 1, Tolerated: true}
	mustBe(t, e.run(t, j), dmap.ErrHeld)
	s := j.load()
	equal(t, "held", 10, len(s.held))
	var ids []string
	for id := range s.held {
		ids = append(ids, id)
	}
	must(t, results.Approve(t.Context(), j.Store, Out, j.ID, results.Verdict{By: "me"}, ids...))
	must(t, e.run(t, j))
	s = j.load()
	equal(t, "held items that are left", 0, len(s.held))
	equal(t, "successes", 90, len(s.succeeded))
	equal(t, "status", results.Succeeded, s.run.Status)
}

// redriveMany: many failed items run again at the full limit, also while machines die.
func redriveMany(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(900)
	j.Call = e.slow(bad)
	j.Options.Tolerance = dmap.Tolerance{Percentage: 100}
	must(t, j.local(t.Context()))
	j.Meter = newMeter()
	j.Call = e.slow(same)
	j.Options.DrainTimeout = e.Tick
	j.Options.Redrive = dmap.Redrive{Max: 1, Tolerated: true}
	r, err := e.Start(t, j)
	must(t, err)
	if e.Machines > 1 {
		for range 3 {
			before, _ := j.Meter.count()
			j.await(e, "calls", func(calls, _ int) bool { return calls > before+150 })
			j.killOne()
		}
	}
	must(t, r.Wait())
	s := j.load()
	equal(t, "successes", 900, len(s.succeeded))
	equal(t, "read", int64(900), s.run.Stats.Read)
	j.Meter.read(func(m *Meter) {
		between(t, "calls at once", j.Options.MaxConcurrency*3/4, m.most, j.Options.MaxConcurrency+3*j.PerLease)
	})
}

// redriveEnded: sink.End ends an open redrive, and another redrive continues it.
func redriveEnded(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(400)
	j.Call = e.slow(everyFifth)
	j.Options.Tolerance = dmap.Tolerance{Count: 30}
	mustBe(t, e.run(t, j), dmap.ErrTolerance)
	j.Call = e.slow(same)
	j.Options.Redrive = dmap.Redrive{Max: 2, Canceled: true}
	r, err := e.Start(t, j)
	must(t, err)
	before, _ := j.Meter.count()
	j.await(e, "calls", func(calls, _ int) bool { return calls > before+20 })
	r.Kill()
	_ = r.Wait()
	must(t, sink.End(t.Context(), j.Store, Out, j.ID))
	s := j.load()
	equal(t, "status", results.Canceled, s.run.Status)
	equal(t, "redrives", 1, s.run.Stats.Redrives)
	must(t, e.run(t, j))
	s = j.load()
	equal(t, "redrives", 2, s.run.Stats.Redrives)
	equal(t, "successes", 400, len(s.succeeded))
	equal(t, "read", int64(400), s.run.Stats.Read)
}
