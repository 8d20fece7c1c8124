package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestObjectsUnderAPrefixAreReadAndABrokenOneFailsAlone(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	require.Contains(t, out.String(), `2026/11/broken.json: object "2026/11/broken.json"`)
	require.Contains(t, out.String(), "104 objects listed, 2 skipped, 101 read, 1 failed; 5200 cents in all\n")
}
