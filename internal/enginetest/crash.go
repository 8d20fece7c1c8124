package enginetest

import (
	"cmp"
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/sink/results"
)

// kills: all processes die a few times; the same engine, and at last dmap.Map, continue.
func kills(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(600)
	j.Call = e.slow(outcome)
	j.Options.Tolerance = dmap.Tolerance{Percentage: 60}
	j.Options.DrainTimeout = e.Tick
	for n := range 3 {
		r, err := e.Start(t, j)
		must(t, err)
		before, _ := j.Meter.count()
		j.await(e, "calls", func(calls, _ int) bool { return calls > before+50+40*n })
		r.Kill()
		_ = r.Wait() // it says that the store does not answer, or that its context has ended
		isTrue(t, j.load().run.Status == results.Open, "the run is open")
	}
	r, err := e.Start(t, j)
	must(t, err)
	before, _ := j.Meter.count()
	j.await(e, "calls", func(calls, _ int) bool { return calls > before+60 })
	r.Kill()
	_ = r.Wait()
	must(t, j.local(t.Context()))
	exactly(t, j)
}

// crash kills the machine that makes the call of ctx. It returns when the engine gives the call up;
// if that does not notice, after a while: then it cannot store that the item has failed.
func crash(ctx context.Context, e Engine) error {
	m, _ := ctx.Value(machineKey{}).(*Machine)
	m.Kill()
	return cmp.Or(wait(ctx, e.ticks(3)), errBad)
}

// killsAnywhere: all processes die at random operations of the store, and the same engine or
// dmap.Map continues, in turn.
func killsAnywhere(t *testing.T, e Engine) {
	runs := testsize.Sizes{Short: 2, Race: 2, Usual: 8, Long: 200}.Now()
	if e.Real {
		runs = 1
	}
	for range runs {
		j := newJob(t)
		j.Open = slice(150)
		j.Call = e.slow(outcome)
		j.Options.Tolerance = dmap.Tolerance{Percentage: 60}
		j.Options.DrainTimeout = e.Tick
		for range 4 {
			n := 1 + rand.Int64N(60)
			t.Log("all die at operation", n)
			if err := e.dies(t, j, n); err == nil {
				break
			}
		}
		must(t, j.local(t.Context()))
		exactly(t, j)
	}
}

// dies runs a job until the n-th operation of its processes.
func (e Engine) dies(t *testing.T, j *Job, n int64) error {
	var operations atomic.Int64
	var killing sync.WaitGroup
	started := make(chan Run, 1)
	j.watch(func() {
		if operations.Add(1) == n {
			killing.Go(func() { (<-started).Kill() })
		}
	})
	r, err := e.Start(t, j)
	must(t, err)
	started <- r
	err = r.Wait()
	j.watch(nil)
	killing.Wait()
	return err
}

// exactly fails unless the results are those of a plain loop.
func exactly(t *testing.T, j *Job) {
	t.Helper()
	s := j.load()
	succeeded, failed, skipped := plain(t, j.Open(j.Store))
	sameTexts(t, "successes", succeeded, s.succeeded)
	sameFailures(t, failed, s.failed)
	equal(t, "skipped", skipped, s.run.Stats.Skipped)
	equal(t, "status", results.Succeeded, s.run.Status)
}

// continues: a run that dmap.Map has left open is continued.
func continues(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(300)
	j.Call = e.slow(outcome)
	j.Options.Tolerance = dmap.Tolerance{Percentage: 60}
	ctx, cancel := context.WithTimeout(t.Context(), e.ticks(6)+e.Tick/2) // not when calls return
	mustBe(t, j.local(ctx), dmap.ErrOpen)
	cancel()
	calls, _ := j.Meter.count()
	between(t, "calls of the first process", 24, calls, 120)
	must(t, e.run(t, j))
	exactly(t, j)
	calls, _ = j.Meter.count()
	between(t, "calls", 300, calls, 300+j.Options.MaxConcurrency)
}

// machinesDie: machines die one after the other, and the run continues without them.
func machinesDie(t *testing.T, e Engine) {
	if e.Machines < 2 {
		t.Skip("it works on one machine")
	}
	j := newJob(t)
	j.Open = slice(600)
	j.Call = e.slow(outcome)
	j.Options.Tolerance = dmap.Tolerance{Percentage: 60}
	j.Options.DrainTimeout = e.Tick
	r, err := e.Start(t, j)
	must(t, err)
	for range 3 {
		before, _ := j.Meter.count()
		j.await(e, "calls", func(calls, _ int) bool { return calls > before+40 })
		j.killOne()
	}
	must(t, r.Wait())
	exactly(t, j)
}

// crashing: an item that crashes its process is quarantined after some crashes, and everything else
// is done.
func crashing(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(60)
	j.Options.Tolerance = dmap.Tolerance{Count: 1}
	j.Options.DrainTimeout = e.Tick
	j.Call = func(ctx context.Context, v string) (string, error) {
		if err := wait(ctx, e.Tick/4); err != nil {
			return "", err
		}
		if v == "v37" {
			return "", crash(ctx, e)
		}
		return v, nil
	}
	for process := 0; ; process++ {
		isTrue(t, process < 12, "the item crashes process after process")
		if err := e.run(t, j); err == nil {
			break
		} else if e.Machines > 1 {
			t.Fatalf("the crash of a machine ended the run: %v", err)
		}
	}
	s := j.load()
	equal(t, "failures", map[string]string{"item@37": "poison"}, s.failed)
	equal(t, "successes", 59, len(s.succeeded))
	j.Meter.read(func(m *Meter) { between(t, "calls of the item", 3, len(m.byItem["item@37"]), 8) })
}
