package watch

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/failgroup"
)

func TestSilentWorkersComeFirst(t *testing.T) {
	now := time.Unix(1e9, 0)
	list := []dmap.RunWorker{
		{Name: "a", Leases: 2, InFlight: 9, Seen: now.Add(-time.Second)},
		{Name: "b", Lost: 3, Seen: now.Add(-time.Second)},
		{Name: "c", Leases: 1, Seen: now.Add(-6 * time.Second)},
	}
	got, omitted := workersAt(list, now)
	require.Zero(t, omitted)
	require.Equal(t, []Worker{
		{Name: "c", Leases: 1, Seen: 6, Silent: true}, {Name: "b", Seen: 1, Lost: 3}, {Name: "a", Leases: 2, InFlight: 9, Seen: 1},
	}, got)
	for i := range 60 {
		list = append(list, dmap.RunWorker{Name: strings.Repeat("x", 500) + fmt.Sprint(i), Seen: now})
	}
	got, omitted = workersAt(list, now)
	require.Len(t, got, 50)
	require.Equal(t, 13, omitted)
	require.LessOrEqual(t, len(got[10].Name), longestName+len("…"))
}

// many is a run on many machines.
type many struct {
	*fake
	workers []dmap.RunWorker    // guarded by fake.mu
	failed  []dmap.FailureGroup // guarded by fake.mu
}

func (m *many) Failures() []dmap.FailureGroup {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failed
}

func (m *many) Workers() []dmap.RunWorker {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.workers
}

func TestALostWorkerIsAMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := &many{fake: newFake("monday")}
		c := NewSet(Options{}).Add(run)
		set := func(w dmap.RunWorker) { run.set(func(*dmap.Stats) { run.workers = []dmap.RunWorker{w} }) }
		set(dmap.RunWorker{Name: "7@host", Leases: 2, InFlight: 20, Seen: time.Now()})
		time.Sleep(2500 * time.Millisecond)
		require.Equal(t, []Worker{{Name: "7@host", Leases: 2, InFlight: 20, Seen: 2.5}}, c.Snapshot().Workers)
		time.Sleep(5 * time.Second)
		require.True(t, c.Snapshot().Workers[0].Silent)
		set(dmap.RunWorker{Name: "7@host", Lost: 2, Seen: time.Now().Add(-30 * time.Second)})
		time.Sleep(5 * time.Second)
		var texts []string
		for _, m := range c.Snapshot().Marks {
			if m.Kind == MarkLost {
				texts = append(texts, m.Text)
			}
		}
		require.Equal(t, []string{"worker 7@host has lost 2 leases: others continue"}, texts)
		close(run.done)
		<-c.Over()
		require.Empty(t, c.Snapshot().Workers)
	})
}

func TestFailuresOfManyMachinesAreThoseThatTheRunSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := NewSet(Options{})
		run := &many{fake: newFake("monday")}
		c := set.begin(begin{run: run, spec: dmap.RunSpec{RunID: "monday", Redrive: 1}, stats: dmap.Stats{Failed: 50, Succeeded: 10}})
		at := time.Now()
		fail := func(n int64) {
			run.set(func(s *dmap.Stats) {
				s.Failed, s.Succeeded = 50+n, 10
				run.failed = []dmap.FailureGroup{{ID: "a", Class: "timeout", Message: "no answer", Count: 50 + n - 1, First: at, Last: at}, {ID: "other", Count: 1}}
			})
		}
		fail(3)
		time.Sleep(1100 * time.Millisecond)
		s := c.Snapshot()
		require.Equal(t, Failures{Total: 53, Whole: true, Groups: []failgroup.Group{
			{ID: "a", Class: "timeout", Message: "no answer", Count: 52, First: at, Last: at}, {ID: "other", Count: 1},
		}}, s.Failures)
		require.Equal(t, s.Failures, c.Groups())
		require.Equal(t, "3 failures; none is tolerated", s.Fuel.Text, "those of the redrive alone")
		require.True(t, s.Failures.Short(1).Whole)
		fail(9)
		close(run.done)
		<-c.Over()
		require.EqualValues(t, 59, c.Snapshot().Failures.Total)
	})
}
