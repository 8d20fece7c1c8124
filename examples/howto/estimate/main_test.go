package main

import (
	"bytes"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

func TestTheProgramTellsTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), &out, 400))
		require.Contains(t, out.String(), "items     100000 to 100000\n")
		require.Contains(t, out.String(), "requests  100000 to ")
		require.Contains(t, out.String(), "at concurrency 200\n")
	})
}

func TestAWrongSampleIsRefused(t *testing.T) {
	var out bytes.Buffer
	err := run(t.Context(), &out, 29)
	require.ErrorContains(t, err, "Sampling.Items 29")
	require.Equal(t, 64, dmap.ExitCode(err))
}
