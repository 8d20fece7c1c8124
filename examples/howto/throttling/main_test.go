package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheRunSucceedsWithARateAndWithoutOne(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	require.Contains(t, out.String(), "rate 50: 100 succeeded, ")
	require.Contains(t, out.String(), "rate 0: 100 succeeded, ")
}
