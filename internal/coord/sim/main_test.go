package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWorkersEndTogetherAndTheStateStaysSmall(t *testing.T) {
	c := settings{items: 2_000_000, workers: 20, slots: 48, atOnce: 3, mean: 100 * time.Millisecond, sigma: 1, undivided: maxKeys, seed: 1}
	f := simulate(c)
	require.Less(t, f.wall.Seconds()/f.ideal.Seconds(), 1.25)
	require.LessOrEqual(t, f.inFlight, 2*60, "with those that only finish")
	require.Less(t, f.state, 100_000)
	require.Less(t, f.leases, 2_500)

	c.hostDies, c.workerDies = time.Minute, 90*time.Second
	f = simulate(c)
	require.Positive(t, f.lost)
	require.Positive(t, f.recovery)
	require.Less(t, f.recovery, downtime+2*time.Second)
}
