package e2e

import (
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// stripped is an S3 server that never sees the header If-None-Match.
func stripped(t *testing.T, address string) string {
	to, err := url.Parse(address)
	require.NoError(t, err)
	server := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
		r.Out.Header.Del("If-None-Match")
	}})
	t.Cleanup(server.Close)
	return server.URL
}

// Two runners of one run, on a server that replaces objects which it was to create only: both
// find out before their first call, and so does every later call.
func TestAStoreThatIgnoresIfNoneMatchIsRefusedBeforeTheFirstCall(t *testing.T) {
	address, bucket := stripped(t, fakeS3(t)), bucketName(t)
	makeBucket(t, address, bucket)
	b := openS3(t, address, bucket)
	job := crashJob{Kind: "slice", N: 20, RunID: "r", Concurrency: 2, CommitEvery: time.Millisecond, Log: t.TempDir() + "/log"}
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = runHere(t.Context(), b, job) })
	}
	wg.Wait()
	for _, err := range []error{errs[0], errs[1], runHere(t.Context(), b, job)} {
		require.ErrorContains(t, err, "the store ignores create-only writes (If-None-Match: *)")
		require.ErrorContains(t, err, "BucketOptions.Express")
		require.NotErrorIs(t, err, dmap.ErrFenced)
	}
	require.NoFileExists(t, job.Log, "an item was called")
}
