package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyTheFailuresRunAgain(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out))
	require.Equal(t, `monday: 2 succeeded, 3 failed
tuesday: 2 succeeded, 1 left out
still failed: orders.jsonl@130, a negative amount
together: 4 succeeded, 1 failed
`, out.String())
}
