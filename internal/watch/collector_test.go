package watch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// fake is a run that a test moves.
type fake struct {
	dmap.LiveRun // nil: its controls are not called

	mu    sync.Mutex
	stats dmap.Stats
	calls []dmap.InFlightCall
	done  chan struct{}
}

func newFake(id string) *fake {
	return &fake{stats: dmap.Stats{RunID: id, State: dmap.StateRunning, Limit: 10}, done: make(chan struct{})}
}

func (f *fake) ID() string            { return f.Stats().RunID }
func (f *fake) Times() dmap.Times     { return dmap.Times{} }
func (f *fake) Written() int64        { return 0 }
func (f *fake) Done() <-chan struct{} { return f.done }

func (f *fake) Wait() (dmap.Stats, error) { return f.Stats(), nil }

func (f *fake) Stats() dmap.Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats
}

func (f *fake) InFlight(n int) []dmap.InFlightCall {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[:min(n, len(f.calls))]
}

func (f *fake) set(change func(*dmap.Stats)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.stats)
}

// watched is a run of a Set with the events that its observer gets.
type watched struct {
	*Collector
	*dmap.Observer
	ctx context.Context
	run *fake
}

func watch(t *testing.T, set *Set, spec dmap.RunSpec) *watched {
	run := newFake(spec.RunID)
	o := set.Observer()
	// As RunStarted does, with a run that the test moves.
	c := set.begin(begin{run: run, spec: spec, options: true})
	w := &watched{c, o, context.WithValue(t.Context(), setKey{set}, c), run}
	t.Cleanup(func() {
		if c.Live() {
			w.end(dmap.StateEnded, "succeeded", nil)
		}
	})
	return w
}

func (w *watched) end(state dmap.State, reason string, err error) {
	w.run.set(func(s *dmap.Stats) { s.State, s.Reason = state, reason })
	w.RunEnded(w.ctx, dmap.RunEnd{Stats: w.run.Stats(), Err: err})
	close(w.run.done)
}

func TestASnapshotFollowsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := NewSet(Options{})
		w := watch(t, set, dmap.RunSpec{RunID: "monday", Source: "list", Options: dmap.Options{Tolerance: dmap.Tolerance{Count: 100}}})
		time.Sleep(500 * time.Millisecond) // between two readings
		for i := range 30 {
			w.run.set(func(s *dmap.Stats) {
				s.Read, s.Succeeded, s.Failed = 3000, s.Succeeded+90, s.Failed+1
				s.Calls = s.Succeeded + s.Failed
				s.Pending, s.InFlight, s.Queued = 3000-s.Succeeded-s.Failed, 10, 100
			})
			w.FailureSettled(w.ctx, dmap.FailureEvent{Info: dmap.Info{Key: fmt.Sprintf("data/%d.json", i)}, Err: errors.New("no such loan 17")})
			w.Committed(w.ctx, dmap.CommitEvent{Number: int64(i), Succeeded: 80})
			time.Sleep(time.Second)
		}
		s := w.Snapshot()
		require.Equal(t, StatusRunning, s.Verdict.Status)
		require.Equal(t, "2,730 of at least 3,000 items, reading continues", s.Progress.Text)
		require.False(t, s.ETA.Known)
		require.InDelta(t, 91, s.Now.Items, 1)
		require.Equal(t, []string{"The function: all 10 calls are in use. A higher concurrency helps if its server takes more."}, s.Slowed)
		require.Equal(t, "30 of 100 tolerated failures used", s.Fuel.Text)
		require.Equal(t, int64(30), s.Failures.Total)
		require.Len(t, s.Failures.Groups, 1)
		require.Len(t, s.Failures.Groups[0].Samples, 3)
		require.Equal(t, int64(2730-30*80+3000-2730-100), s.Durable.RunAgain)
		require.Contains(t, s.Durable.Text, "Last commit 1 s ago. After kill -9, 500 items would run again.")

		w.PhaseChanged(w.ctx, dmap.PhaseEvent{Phase: dmap.PhaseRead})
		time.Sleep(time.Second)
		s = w.Snapshot()
		require.True(t, s.ETA.Known)
		require.Equal(t, "2,730 of 3,000 items, 91 %", s.Progress.Text)
		points := w.Series(0)
		require.Len(t, points.Points, 31, "%v s", points.Until)
		var n, failed, commits int64
		for _, p := range points.Points {
			n, failed, commits = n+p.Settled, failed+p.Failed, commits+p.Commits
		}
		require.Equal(t, []int64{2730, 30, 30}, []int64{n, failed, commits})

		w.end(dmap.StateOpen, "suspended", dmap.ErrSuspended)
		s = w.Snapshot()
		require.False(t, s.Live)
		require.Equal(t, StatusOpen, s.Verdict.Status)
		require.Contains(t, s.Verdict.Next, "monday")
		require.Equal(t, "the run begins", s.Marks[0].Text)
		require.Equal(t, "this process leaves the run open: suspended", s.Marks[len(s.Marks)-1].Text)
		require.Empty(t, s.Calls)
	})
}

func TestEditsAndThrottlingAreMarks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, NewSet(Options{}), dmap.RunSpec{RunID: "monday"})
		w.Edited(w.ctx, dmap.EditEvent{Setting: "MaxConcurrency", From: 10, To: 20})
		w.Edited(w.ctx, dmap.EditEvent{Setting: "MaxConcurrency", From: 20, To: 20})
		w.Edited(w.ctx, dmap.EditEvent{Setting: "Rate", From: dmap.Rate{}, To: dmap.Rate{Calls: 50, Items: 0.5}})
		w.Edited(w.ctx, dmap.EditEvent{Setting: "Tolerance", From: dmap.Tolerance{}, To: dmap.Tolerance{Count: 7}})
		w.Edited(w.ctx, dmap.EditEvent{Setting: "Paused", From: false, To: true})
		w.Edited(w.ctx, dmap.EditEvent{Setting: "Paused", From: true, To: false})
		for range 3 {
			w.Throttled(w.ctx, dmap.ThrottleEvent{Err: errors.New("429\nslow down")})
		}
		time.Sleep(2 * time.Minute)
		w.Throttled(w.ctx, dmap.ThrottleEvent{})
		var texts []string
		for _, m := range w.Snapshot().Marks {
			texts = append(texts, m.Kind+": "+m.Text)
		}
		require.Equal(t, []string{
			"start: the run begins", "edit: concurrency: 10 to 20 calls", "edit: rate: no limit to 50 calls a second, 0.5 items a second",
			"edit: tolerance: none to 7 items", "pause: paused", "pause: resumed", "throttle: throttling begins: 429", "throttle: throttling begins",
		}, texts)
		require.Equal(t, dmap.Tolerance{Count: 7}, w.Snapshot().Limits.Tolerance)
		require.Equal(t, StatusThrottled, w.Snapshot().Verdict.Status)
	})
}

func TestTheOldestCallsHaveTheErrorOfTheAttemptBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		redact := func(key string) string { return strings.Repeat("*", len(key)) }
		w := watch(t, NewSet(Options{Redact: redact}), dmap.RunSpec{RunID: "monday"})
		first, second := dmap.Info{Key: "secret", Split: "secret", Attempt: 2, RunID: "monday"}, dmap.Info{Key: "other", Attempt: 1, RunID: "monday"}
		w.RetryScheduled(w.ctx, dmap.RetryEvent{Info: first, Err: errors.New("secret is busy\nand more")})
		w.run.mu.Lock()
		w.run.calls = []dmap.InFlightCall{{Info: first, Items: 1, Age: time.Minute}, {Info: second, Age: time.Second}}
		w.run.mu.Unlock()
		time.Sleep(1100 * time.Millisecond)
		calls := w.Snapshot().Calls
		require.Len(t, calls, 2)
		require.Equal(t, Call{ID: "******@0", Key: "******", Items: 1, Attempt: 2, Age: 60, Last: "****** is busy", Token: first.IdempotencyKey()}, calls[0])
		require.Empty(t, calls[1].Last)
		w.FailureSettled(w.ctx, dmap.FailureEvent{Info: first, Err: errors.New("secret: too late")})
		g := w.Groups().Groups[0]
		require.NotContains(t, fmt.Sprintf("%+v", g), "secret")
		w.Throttled(w.ctx, dmap.ThrottleEvent{Info: first, Err: errors.New("secret: slow down")})
		marks := w.Snapshot().Marks
		require.Equal(t, "throttling begins: ******: slow down", marks[len(marks)-1].Text)
	})
}

// A key that is shortened with its text is hidden first.
func TestALongKeyIsHiddenInTheErrorOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, NewSet(Options{Redact: func(string) string { return "*" }}), dmap.RunSpec{RunID: "monday"})
		info := dmap.Info{Key: strings.Repeat("secret", 100), Attempt: 2, RunID: "monday"}
		w.RetryScheduled(w.ctx, dmap.RetryEvent{Info: info, Err: errors.New(info.Key + " is busy")})
		w.run.mu.Lock()
		w.run.calls = []dmap.InFlightCall{{Info: info, Items: 1, Age: time.Minute}}
		w.run.mu.Unlock()
		time.Sleep(1100 * time.Millisecond)
		require.Equal(t, "* is busy", w.Snapshot().Calls[0].Last)
	})
}

// What a run that stopped early has seen is not all of its source, and reading may have ended
// before it stopped.
func TestARunThatStoppedEarlyHasNotReadItsSource(t *testing.T) {
	for _, all := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := watch(t, NewSet(Options{}), dmap.RunSpec{RunID: "monday"})
			w.run.set(func(s *dmap.Stats) { s.Succeeded, s.Pending, s.Read = 600, 10, 610 })
			if all {
				w.PhaseChanged(w.ctx, dmap.PhaseEvent{Phase: dmap.PhaseRead})
			}
			w.PhaseChanged(w.ctx, dmap.PhaseEvent{Phase: dmap.PhaseStopping, Cause: dmap.ErrSuspended})
			time.Sleep(1100 * time.Millisecond)
			require.Equal(t, !all, w.Snapshot().Progress.AtLeast, "while it stops")
			w.PhaseChanged(w.ctx, dmap.PhaseEvent{Phase: dmap.PhaseSaving})
			require.Equal(t, !all, w.Snapshot().Progress.AtLeast, "while it saves")
			w.run.set(func(s *dmap.Stats) { s.Succeeded, s.Pending = 610, 0 })
			w.end(dmap.StateOpen, "suspended", dmap.ErrSuspended)
			want := "610 of at least 610 items, the rest of the source is unread"
			if all {
				want = "610 of 610 items, 100 %"
			}
			require.Equal(t, want, w.Snapshot().Progress.Text)
		})
	}
}

// Held items are not left to this process.
func TestHeldItemsAreNotPartOfTheEstimate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, NewSet(Options{}), dmap.RunSpec{RunID: "monday"})
		w.PhaseChanged(w.ctx, dmap.PhaseEvent{Phase: dmap.PhaseRead})
		time.Sleep(500 * time.Millisecond)
		for range 20 {
			w.run.set(func(s *dmap.Stats) { s.Succeeded, s.Held, s.Pending = s.Succeeded+10, 5000, 100 })
			time.Sleep(time.Second)
		}
		eta := w.Snapshot().ETA
		require.True(t, eta.Known)
		require.InDelta(t, 10, eta.Left, 1)
	})
}

func TestRetriesRememberABoundedNumberOfItems(t *testing.T) {
	var r retries
	for i := range 10 * retryLimit {
		r.add(fmt.Sprint(i), errors.New("x"))
		r.add(fmt.Sprint(i), errors.New("y"))
	}
	require.Len(t, r.last, retryLimit)
	require.EqualError(t, r.last[fmt.Sprint(10*retryLimit-1)], "y")
}

func TestASetKeepsLivingRunsApartAndForgetsTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := NewSet(Options{Kept: 2})
		a, b := watch(t, set, dmap.RunSpec{RunID: "x"}), watch(t, set, dmap.RunSpec{RunID: "x"})
		require.Equal(t, []string{"x", "x~2"}, []string{a.Key(), b.Key()})
		a.end(dmap.StateOpen, "context", nil)
		again := watch(t, set, dmap.RunSpec{RunID: "x", Resumed: true})
		require.Equal(t, "x", again.Key(), "it replaces the one that has ended")
		require.Same(t, again.Collector, set.Find("x"))
		require.Nil(t, set.Find("y"))
		for i := range 5 {
			watch(t, set, dmap.RunSpec{RunID: fmt.Sprint(i)}).end(dmap.StateEnded, "succeeded", nil)
		}
		watch(t, set, dmap.RunSpec{RunID: "last"})
		var keys []string
		for _, c := range set.Runs() {
			keys = append(keys, c.Key())
		}
		require.Equal(t, []string{"last", "4", "3", "x", "x~2"}, keys)
	})
}

// A run whose observer has been silenced, or that was added by hand, ends by its Done.
func TestARunWithoutEventsIsReadUntilItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := NewSet(Options{Total: func(string) int64 { return 1000 }})
		run := newFake("monday")
		c := set.Add(run)
		run.set(func(s *dmap.Stats) { s.Succeeded, s.Read = 500, 500 })
		time.Sleep(5500 * time.Millisecond)
		require.Equal(t, "500 of 1,000 items, 50 %", c.Snapshot().Progress.Text)
		require.Equal(t, "watching begins", c.Snapshot().Marks[0].Text)
		run.set(func(s *dmap.Stats) { s.Succeeded, s.Read, s.State, s.Reason = 600, 600, dmap.StateEnded, "succeeded" })
		close(run.done)
		<-c.Over()
		s := c.Snapshot()
		require.Equal(t, StatusSucceeded, s.Verdict.Status)
		require.Equal(t, "600 of 600 items, 100 %", s.Progress.Text)
		c.Mark(MarkEdit, "redriven")
		require.False(t, c.Live())
	})
}
