package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

func TestTheRunStopsAtTheFirstFailureThatIsNotTolerated(t *testing.T) {
	var out bytes.Buffer
	err := run(t.Context(), &out, 10)
	require.ErrorIs(t, err, dmap.ErrTolerance)
	require.Contains(t, out.String(), "allowed: 10 items\n")
	require.Contains(t, out.String(), "the first failures, of 10 kept:\n")
	require.Contains(t, out.String(), "is divisible by 20\n")
}

func TestFailuresWithinTheToleranceDoNotFailTheRun(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, 50))
	require.Equal(t, "950 succeeded, 50 failed, 0 read and not finished\n", out.String())
}
