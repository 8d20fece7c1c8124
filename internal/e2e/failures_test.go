package e2e

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// countRequests is an S3 server in front of another one that counts requests.
func countRequests(t *testing.T, address string) (string, *atomic.Int64) {
	to, err := url.Parse(address)
	require.NoError(t, err)
	requests := new(atomic.Int64)
	server := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		requests.Add(1)
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}})
	t.Cleanup(server.Close)
	return server.URL, requests
}

// A person finds 12 failures among 700,000 items from the bucket alone: which kind, where, and an
// example, in four requests of the protocol of S3.
func TestTwelveFailuresAmongManyItemsAreFoundInFourRequests(t *testing.T) {
	address, requests := countRequests(t, gatewayURL(t))
	name := bucketName(t)
	makeBucket(t, address, name)
	b := openS3(t, address, name)
	n := testsize.Sizes{Short: 20_000, Race: 20_000, Usual: 700_000}.Now()
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	stats, err := dmap.Map(t.Context(), source.Slice(list), func(_ context.Context, i int) (int, error) {
		if i%(n/12) == 7 && i < n/12*12 {
			return 0, fmt.Errorf("loan %d: no rate for term %d", i, i%30)
		}
		return i, nil
	}, dmap.Options{RunID: "nightly", MaxConcurrency: 8, Tolerance: dmap.Tolerance{Count: 1000}},
		sink.Bucket[int](b, "runs/", sink.BucketOptions{Records: sink.FailuresOnly}))
	require.NoError(t, err)
	require.EqualValues(t, n, stats.Read)

	before, start := requests.Load(), time.Now()
	run, err := results.Load(t.Context(), b, "runs/", "nightly")
	require.NoError(t, err)
	groups, err := results.Groups(t.Context(), b, run)
	require.NoError(t, err)
	took, made := time.Since(start), requests.Load()-before
	require.Len(t, groups, 1)
	require.EqualValues(t, 12, groups[0].Count)
	require.Equal(t, "loan <n>: no rate for term <n>", groups[0].Message)
	require.Len(t, groups[0].Samples, 3)
	t.Logf("12 failures among %d items: their group read in %d requests and %v", n, made, took.Round(time.Millisecond))
	require.LessOrEqual(t, made, int64(4))
	require.Less(t, took, time.Second)

	before = requests.Load()
	var failures []results.Failure
	for f, err := range results.FailuresOf(t.Context(), b, run, groups[0].ID) {
		require.NoError(t, err)
		failures = append(failures, f)
	}
	require.Len(t, failures, 12)
	t.Logf("all 12 with their inputs in %d further requests", requests.Load()-before)
}
