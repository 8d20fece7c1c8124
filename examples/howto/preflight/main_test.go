package main

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
)

func TestTheRunStartsIfNothingIsWrong(t *testing.T) {
	var out bytes.Buffer
	dir := t.TempDir()
	require.NoError(t, run(t.Context(), &out, dir, true))
	require.Contains(t, out.String(), "there is none: the call begins it")
	require.NotContains(t, out.String(), "succeeded")
	require.NoDirExists(t, dir+"/runs")
	require.NoError(t, run(t.Context(), &out, dir, false))
	require.Contains(t, out.String(), "2 of 2 succeeded")
	require.NoError(t, run(t.Context(), &out, dir, true))
	require.Contains(t, out.String(), "the run has ended: SUCCEEDED")
}

func TestNothingRunsIfTheStoreRefuses(t *testing.T) {
	inner := memblob.OpenBucket(nil)
	defer inner.Close()
	require.NoError(t, inner.WriteAll(t.Context(), "orders.csv", []byte("id,amount\na,x\n"), nil))
	bucket := dmaptest.NewFaultBucket(t, inner)
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpCreate, Sticky: true, Code: gcerrors.PermissionDenied, Err: errors.New("denied")})
	err := job(t.Context(), io.Discard, bucket.Bucket, false)
	require.Equal(t, []string{"decode the first record of", "create"}, refused(err), "%v", err)
	require.Equal(t, 78, dmap.ExitCode(err))
}
