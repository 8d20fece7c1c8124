package watch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

func TestTheStrongestReasonForASlowRunComesFirst(t *testing.T) {
	busy := dmap.Stats{State: dmap.StateRunning, InFlight: 100, Limit: 100, Queued: 50}
	change := func(f func(*dmap.Stats)) dmap.Stats { s := busy; f(&s); return s }
	for name, c := range map[string]struct {
		load Load
		want []string
	}{
		"paused":   {Load{Stats: change(func(s *dmap.Stats) { s.Paused = true })}, nil},
		"ended":    {Load{Stats: dmap.Stats{State: dmap.StateEnded, InFlight: 100, Limit: 100}}, nil},
		"stopping": {Load{Stats: busy, Phase: dmap.PhaseStopping}, nil},
		"full":     {Load{Stats: busy}, []string{"The function: all 100 calls are in use. A higher concurrency helps if its server takes more."}},
		"back-off": {Load{Stats: change(func(s *dmap.Stats) { s.BackOff, s.Waiting, s.InFlight, s.Queued = 8*time.Second, 312, 0, 9 })},
			[]string{"Throttling: 312 items wait, next call in 8 s."}},
		"refused": {Load{Stats: change(func(s *dmap.Stats) { s.AdaptedLimit, s.InFlight = 20, 19 }), Delta: Delta{Throttled: 3}, Over: 10 * time.Second},
			[]string{"Throttling: a server refused 3 calls in the latest 10 s; now 20 of 100 calls at once."}},
		"recovers": {Load{Stats: change(func(s *dmap.Stats) { s.AdaptedRate, s.InFlight = 12, 19 })},
			[]string{"Throttling a short time ago; now 12/s calls start; the limits rise again by themselves."}},
		"crowded": {Load{Stats: change(func(s *dmap.Stats) { s.ReadingPaused, s.InFlight, s.Stuck = true, 60, 2 })},
			[]string{"Retries: the items that wait for their retry are at their bound, so no fresh item starts.",
				"Stuck: 2 calls ran on after the end of their context and may hold slots."}},
		"rate": {Load{Stats: change(func(s *dmap.Stats) { s.Rate, s.InFlight = dmap.Rate{Calls: 50}, 60 }), Started: 490, Over: 10 * time.Second},
			[]string{"The rate limit: 49/s of 50/s calls start (Options.Rate)."}},
		"items": {Load{Stats: change(func(s *dmap.Stats) { s.Rate, s.InFlight = dmap.Rate{Items: 50}, 60 }), Delta: Delta{Settled: 500}, Over: 10 * time.Second},
			[]string{"The rate limit: 50/s of 50/s items (Options.Rate)."}},
		"source": {Load{Stats: change(func(s *dmap.Stats) { s.InFlight, s.Queued = 4, 0 })},
			[]string{"The source: 4 of 100 calls are in use, as reading yields no more items."}},
		"last": {Load{Stats: change(func(s *dmap.Stats) { s.InFlight, s.Queued = 3, 0 }), Phase: dmap.PhaseRead, Oldest: 40 * time.Second, P95: 2 * time.Second},
			[]string{"The last 3 calls: the oldest runs 40 s, 95 % take less than 2 s."}},
		"sinks": {Load{Stats: busy, Spent: dmap.Times{Sinks: 6 * time.Second, Calls: dmap.CallTimes{Sum: 4 * time.Second}}},
			[]string{"The results: workers spend 60 % of their time in sinks."}},
		"waiting": {Load{Stats: change(func(s *dmap.Stats) { s.InFlight, s.Queued, s.Waiting = 0, 0, 1 }), Phase: dmap.PhaseRead},
			[]string{"Retries: 1 item waits for the next attempt."}},
		"easy": {Load{Stats: change(func(s *dmap.Stats) { s.InFlight = 60 })}, nil},
	} {
		require.Equal(t, c.want, Slowed(c.load), name)
	}
}

func TestASinglePersistentCallStraggles(t *testing.T) {
	require.False(t, Straggles(time.Minute, 0), "none has ended")
	require.False(t, Straggles(900*time.Millisecond, time.Millisecond))
	require.True(t, Straggles(7*time.Second, 2*time.Second))
	require.False(t, Straggles(5*time.Second, 2*time.Second))
}
