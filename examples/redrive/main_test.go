package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRedriveProcessesOnlyTheFailures(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out, nil))
	require.Equal(t, `first: 2 succeeded, 3 failed
redriven: 4 succeeded, 1 failed
still failed: orders.jsonl@130: negative amount
a trial of "negative amount" would take 1 items
`, out.String())
}
