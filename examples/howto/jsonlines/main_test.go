package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLinesOfOneFileAndOfAllFilesAreRead(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	require.Contains(t, out.String(), `object "events/monday.jsonl.gz" line 501 (byte `)
	require.Contains(t, out.String(), "monday: 1000 lines, 1 failed, 499000 bytes\n")
	require.Contains(t, out.String(), "all days: 2000 lines, 2 failed, 998000 bytes\n")
}
