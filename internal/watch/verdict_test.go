package watch

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

func TestEachStateHasASentenceAndTheOpenOnesANextStep(t *testing.T) {
	running := dmap.Stats{State: dmap.StateRunning, Succeeded: 10, InFlight: 3, Limit: 10, Waiting: 312}
	change := func(f func(*dmap.Stats)) dmap.Stats { s := running; f(&s); return s }
	for name, c := range map[string]struct {
		facts Facts
		want  Status
		text  string
	}{
		"running":   {Facts{Stats: running}, StatusRunning, "Running."},
		"reading":   {Facts{Stats: dmap.Stats{State: dmap.StateRunning}}, StatusReading, "no call has started yet"},
		"paused":    {Facts{Stats: change(func(s *dmap.Stats) { s.Paused = true })}, StatusPaused, "3 calls in flight"},
		"back-off":  {Facts{Stats: change(func(s *dmap.Stats) { s.BackOff = 8 * time.Second })}, StatusBackOff, "312 items wait, the next call starts in 8 s"},
		"throttled": {Facts{Stats: change(func(s *dmap.Stats) { s.AdaptedLimit = 4 })}, StatusThrottled, "4 of 10 calls at once"},
		"stopping":  {Facts{Stats: running, Phase: dmap.PhaseStopping, Cause: "x"}, StatusStopping, "3 calls may still return"},
		"saving":    {Facts{Stats: running, Phase: dmap.PhaseSaving}, StatusSaving, "no call runs any more"},
	} {
		v := Judge(c.facts)
		require.Equal(t, c.want, v.Status, name)
		require.Contains(t, v.Text, c.text, name)
		require.Equal(t, c.facts.Cause, v.Cause, name)
	}
	for _, reason := range []string{"held", "suspended", "context", "budget", "total budget", "source", "sink", "fenced", "changed", "internal", "", "new"} {
		for _, stored := range []bool{false, true} {
			v := Judge(Facts{Stats: dmap.Stats{State: dmap.StateOpen, Reason: reason, RunID: "monday", Held: 2}, Err: "cause", Stored: stored})
			require.Equal(t, StatusOpen, v.Status, reason)
			require.True(t, strings.HasPrefix(v.Text, "Open"), v.Text)
			require.NotEmpty(t, v.Next, reason)
			require.Equal(t, "cause", v.Cause)
		}
	}
	for reason, want := range map[string]Status{
		"succeeded": StatusSucceeded, "max items": StatusSucceeded, "enough": StatusSucceeded, "": StatusSucceeded,
		"tolerance": StatusFailed, "trial": StatusFailed, "source": StatusFailed, "sink": StatusFailed, "context": StatusFailed,
		"canceled": StatusCanceled, "end": StatusCanceled,
	} {
		v := Judge(Facts{Stats: dmap.Stats{State: dmap.StateEnded, Reason: reason, Failed: 12, Read: 700_000}})
		require.Equal(t, want, v.Status, reason)
		require.NotEmpty(t, v.Text)
		require.NotEmpty(t, v.Next, "the failures can be redriven")
	}
	require.Empty(t, Judge(Facts{Stats: dmap.Stats{State: dmap.StateEnded, Reason: "succeeded"}}).Next)
	require.Contains(t, Judge(Facts{Stats: dmap.Stats{State: dmap.StateEnded, Reason: "tolerance", Failed: 12, Read: 700_000}}).Text, "12 of 700,000 items")
}

func TestTheToleranceIsAGauge(t *testing.T) {
	require.Equal(t, Fuel{Text: "41 of 1,000 tolerated failures used", Share: 0.041}, Gauge(dmap.Tolerance{Count: 1000}, 41, 5000, false))
	require.Equal(t, Fuel{Text: "0 failures; none is tolerated"}, Gauge(dmap.Tolerance{}, 0, 5000, false))
	require.Equal(t, Fuel{Text: "1 failure; none is tolerated", Share: 1}, Gauge(dmap.Tolerance{}, 1, 5000, false))
	f := Gauge(dmap.Tolerance{Percentage: 5}, 10, 400, false)
	require.Equal(t, "10 items (2 %) failed of 5 % tolerated", f.Text[:len("10 items (2 %) failed of 5 % tolerated")], f.Text)
	require.InDelta(t, 0.5, f.Share, 1e-9)
	require.Equal(t, "the percentage is judged from 1,000 items on", f.Judge)
	f = Gauge(dmap.Tolerance{Percentage: 50, Count: 10, MinItems: 5}, 9, 0, true)
	require.InDelta(t, 0.9, f.Share, 1e-9)
	require.Empty(t, f.Judge)
}

func TestTheBarAddsUp(t *testing.T) {
	for name, c := range map[string]struct {
		stats    dmap.Stats
		readAll  bool
		expected int64
		total    int64
		atLeast  bool
		text     string
	}{
		"reading":  {dmap.Stats{Succeeded: 60, Failed: 2, Pending: 38, Queued: 20, Waiting: 8}, false, 0, 100, true, "62 of at least 100 items, reading continues"},
		"expected": {dmap.Stats{Succeeded: 60, Failed: 2, Pending: 38}, false, 1000, 1000, false, "62 of 1,000 items, 6 %"},
		"read":     {dmap.Stats{Succeeded: 60, Failed: 2, Held: 1, Pending: 37, Queued: 50}, true, 1000, 100, false, "62 of 100 items, 62 %"},
		"nothing":  {dmap.Stats{}, true, 0, 0, false, "0 items"},
		"racing":   {dmap.Stats{Succeeded: 60, Pending: -1, Queued: 5}, true, 0, 60, false, "60 of 60 items, 100 %"},
	} {
		b := Bar(c.stats, c.readAll, c.expected)
		var sum int64
		for _, p := range b.Parts {
			require.GreaterOrEqual(t, p.Items, int64(0), name)
			sum += p.Items
		}
		require.Equal(t, c.total, sum, name)
		require.Equal(t, c.total, b.Total, name)
		require.Equal(t, c.atLeast, b.AtLeast, name)
		require.Equal(t, c.text, b.Text, name)
	}
}
