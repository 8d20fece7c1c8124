package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain is also the process that crashes: the test starts its own binary again.
func TestMain(m *testing.M) {
	if dir := os.Getenv("RESUME_DIR"); dir != "" {
		os.Args = []string{"resume", "-dir", dir, "-crash", os.Getenv("RESUME_CRASH")}
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestASecondProcessRunsWhatTheFirstDidNotFinish(t *testing.T) {
	dir := t.TempDir()
	const crash = 500
	first := exec.CommandContext(t.Context(), os.Args[0])
	first.Env = append(os.Environ(), "RESUME_DIR="+dir, "RESUME_CRASH="+strconv.Itoa(crash))
	var exit *exec.ExitError
	require.ErrorAs(t, first.Run(), &exit)
	require.Equal(t, 137, exit.ExitCode())

	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, dir, 0))
	var succeeded, calls int
	_, err := fmt.Sscanf(out.String(), "%d of 1000 items succeeded; this process made %d calls", &succeeded, &calls)
	require.NoError(t, err, out.String())
	require.Equal(t, 1000, succeeded)
	require.GreaterOrEqual(t, calls, 1000-crash+1, "the crash happened during its call")
	require.Less(t, calls, 1000, "some items were committed before the crash")

	out.Reset()
	require.NoError(t, run(t.Context(), &out, dir, 0))
	require.Equal(t, "1000 of 1000 items succeeded; this process made 0 calls\n", out.String())
}
