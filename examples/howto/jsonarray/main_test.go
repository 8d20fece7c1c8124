package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestElementsOfAnArrayAreItems(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	require.Contains(t, out.String(), `object "loans.json" line 7001`)
	require.Contains(t, out.String(), "10000 elements: 9999 succeeded, 1 failed\n")
}
