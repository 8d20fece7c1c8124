package main

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

func TestNoCallIsLostOrRepeatedByAShutdown(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	ctx, suspend := context.WithCancelCause(t.Context())
	signal := func() error { suspend(dmap.ErrSuspended); return nil } // as dmap.SuspendOn does
	require.ErrorIs(t, run(ctx, &out, dir, 300, signal), dmap.ErrSuspended)
	require.Contains(t, out.String(), ", 0 interrupted\n", "calls in flight could finish")
	require.Contains(t, out.String(), "the next process with this RunID resumes\n")

	out.Reset()
	require.NoError(t, run(t.Context(), &out, dir, 0, nil))
	require.Equal(t, "1000 of 1000 items finished, 0 interrupted\n", out.String(), "no item was called twice")
}
