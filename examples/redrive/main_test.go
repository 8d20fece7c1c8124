package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRedriveProcessesOnlyTheFailures(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out))
	require.Equal(t, `monday: 2 succeeded, 3 failed
tuesday: 2 succeeded, 1 skipped
still failed: orders.jsonl@130: negative amount
merged: 4 succeeded, 1 failed
`, out.String())
}
