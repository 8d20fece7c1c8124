package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// TestMain is also the process that is killed: the test starts its own binary again.
func TestMain(m *testing.M) {
	if dir := os.Getenv("DAILY_DIR"); dir != "" {
		os.Args = []string{"daily", "-dir", dir, "-kill", "300"}
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestTheSameCallResumesRedrivesAndEnds(t *testing.T) {
	dir := t.TempDir()
	first := exec.CommandContext(t.Context(), os.Args[0])
	first.Env = append(os.Environ(), "DAILY_DIR="+dir)
	var exit *exec.ExitError
	require.ErrorAs(t, first.Run(), &exit)
	require.Equal(t, 137, exit.ExitCode())

	call := func(mended bool) (succeeded, failed, redrives, calls int, err error) {
		var out bytes.Buffer
		j := job{dir: dir, date: "2026-03-01", mended: mended}
		err = j.run(t.Context(), &out)
		var read int
		_, scanErr := fmt.Sscanf(strings.TrimPrefix(out.String(), "2026-03-01: "),
			"%d of %d orders priced, %d failed; redrives: %d; calls of this process: %d", &succeeded, &read, &failed, &redrives, &calls)
		require.NoError(t, scanErr, out.String())
		return succeeded, failed, redrives, calls, err
	}
	_, failed, redrives, before, err := call(false)
	require.ErrorIs(t, err, dmap.ErrTolerance)
	require.Greater(t, failed, 50)
	require.Zero(t, redrives)
	require.Less(t, before, 1000, "some orders were committed before the kill")

	succeeded, failed, redrives, calls, err := call(true)
	require.NoError(t, err)
	require.Equal(t, []int{1000, 0, 1}, []int{succeeded, failed, redrives})
	require.Less(t, calls, 300, "the failed orders, and those that were in flight")

	succeeded, failed, redrives, calls, err = call(true)
	require.NoError(t, err)
	require.Equal(t, []int{1000, 0, 1, 0}, []int{succeeded, failed, redrives, calls})
}
