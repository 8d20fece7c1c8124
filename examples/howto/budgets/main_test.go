package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

func TestTheProgramContinuesWithinItsBudgets(t *testing.T) {
	dir := t.TempDir()
	for _, step := range []struct {
		cents float64
		says  string
		code  int
	}{
		{60, "25 of 70 done, 25 calls, 25 cents\n", 75},
		{60, "50 of 70 done, 50 calls, 50 cents\n", 75},
		{60, "60 cents need an approval", 78},
		{60, "60 cents need an approval", 78},
		{200, "70 of 70 done", 0},
	} {
		var out bytes.Buffer
		err := run(t.Context(), &out, dir, step.cents)
		require.Contains(t, out.String(), step.says)
		require.Equal(t, step.code, dmap.ExitCode(err))
	}
}
