package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/sink/results"
)

func TestTheJobHopsThroughCallsOfTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := memblob.OpenBucket(nil)
		defer bucket.Close()
		var out bytes.Buffer
		require.NoError(t, host(t.Context(), &out, bucket, 2*time.Second))
		require.GreaterOrEqual(t, strings.Count(out.String(), "call again: true"), 2)
		require.Contains(t, out.String(), "400 of 400 done, call again: false")
		run, err := results.Load(t.Context(), bucket, "runs/", "invoices-2026-11")
		require.NoError(t, err)
		require.EqualValues(t, 400, run.Stats.Succeeded)
		require.EqualValues(t, 400, run.Stats.Calls, "no call was interrupted")
	})
}
