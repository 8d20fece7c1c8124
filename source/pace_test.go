package source_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/source"
)

// slowBucket is a bucket of one object that gives each reader a fixed number of bytes a second, in
// virtual time.
func slowBucket(t *testing.T, data string, perSecond int64, latency time.Duration) *dmaptest.FaultBucket {
	t.Helper()
	bucket := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"k": data}))
	bucket.Watch(func(c dmaptest.Call, ended bool) {
		switch {
		case ended && c.Op == dmaptest.OpRead:
			time.Sleep(time.Duration(c.Bytes * int64(time.Second) / perSecond))
		case ended && (c.Op == dmaptest.OpOpen || c.Op == dmaptest.OpAttributes):
			time.Sleep(latency)
		}
	})
	return bucket
}

// paced is how long a run over src takes, and how long the reading of the whole by one request.
// Computing takes no time.
func paced[T any](t *testing.T, src dmap.Source[T]) (run, serial time.Duration) {
	t.Helper()
	started := time.Now()
	_, err := dmap.Map(t.Context(), src, func(context.Context, T) (string, error) { return "", nil }, dmap.Options{MaxConcurrency: 8})
	require.NoError(t, err)
	run = time.Since(started)
	started = time.Now()
	for _, err := range plan(src).Read(t.Context(), dmap.Split{}) {
		require.NoError(t, err)
	}
	return run, time.Since(started)
}

// The object stands for one of 512 MiB, 80 MB/s a connection.
func TestLargeObjectComesOverEightConnectionsAtOnce(t *testing.T) {
	data := strings.Repeat(`"`+strings.Repeat("x", 60)+`"`+"\n", 64<<7)
	const perSecond = 80_000_000 / 1024
	for _, test := range []struct {
		latency     time.Duration
		rows, lines float64 // times as fast as one
	}{
		{0, 7.5, 7.6},
		{30 * time.Millisecond, 6.2, 7},
	} {
		t.Run(fmt.Sprint(test.latency), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bucket := slowBucket(t, data, perSecond, test.latency)
				run, serial := paced(t, source.DivideSmall(source.CSV(bucket.Bucket, "k", source.Strings)))
				require.Greater(t, serial.Seconds()/run.Seconds(), test.rows, "rows")
				run, serial = paced(t, source.DivideSmall(source.JSONLines[string](bucket.Bucket, "k")))
				require.Greater(t, serial.Seconds()/run.Seconds(), test.lines, "lines")
			})
		})
	}
}
