package dmapweb

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// memory is a bucket in memory.
func memory(t *testing.T) *blob.Bucket {
	t.Helper()
	bucket := memblob.OpenBucket(nil)
	t.Cleanup(func() { require.NoError(t, bucket.Close()) })
	return bucket
}

// ended runs 40 items, every fourth of which fails in one of two ways, and leaves the run in a
// bucket.
func ended(t *testing.T, bucket *blob.Bucket, runID string, opts dmap.Options) dmap.Stats {
	t.Helper()
	items := make([]string, 40)
	for i := range items {
		items[i] = fmt.Sprintf("loan %d", i)
	}
	opts.RunID = runID
	if opts.Tolerance == (dmap.Tolerance{}) {
		opts.Tolerance = dmap.Tolerance{Count: 100}
	}
	stats, err := dmap.Map(t.Context(), source.Slice(items), func(ctx context.Context, loan string) (string, error) {
		info, _ := dmap.InfoFrom(ctx)
		switch info.Index % 8 {
		case 0:
			return "", fmt.Errorf("no rate for year %d", 1900+info.Index)
		case 4:
			return "", fmt.Errorf("insolvent: %d of 7 payments", info.Index)
		}
		return loan, nil
	}, opts, sink.Bucket[string](bucket, "runs/", sink.BucketOptions{Inputs: sink.InputsAll}))
	require.NoError(t, err)
	return stats
}

// page is a page with its requests.
type page struct {
	*Page
	t *testing.T
}

func open(t *testing.T, opts Options) *page {
	t.Helper()
	p, err := New(opts)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return &page{p, t}
}

// get answers a GET request of a reader on this machine.
func (p *page) get(path string) *httptest.ResponseRecorder {
	p.t.Helper()
	return p.do(httptest.NewRequestWithContext(p.t.Context(), http.MethodGet, path, nil))
}

// post is a request of the page's own script.
func (p *page) post(path, body string) *httptest.ResponseRecorder {
	p.t.Helper()
	r := httptest.NewRequestWithContext(p.t.Context(), http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return p.do(r)
}

func (p *page) do(r *http.Request) *httptest.ResponseRecorder {
	p.t.Helper()
	r.Host = "localhost:8080"
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

// read decodes the answer to a GET request that succeeds.
func read[T any](p *page, path string) T {
	p.t.Helper()
	w := p.get(path)
	require.Equal(p.t, http.StatusOK, w.Code, "%s: %s", path, w.Body)
	var v T
	require.NoError(p.t, json.Unmarshal(w.Body.Bytes(), &v))
	return v
}

// wait is a run that works until release is called.
func wait(t *testing.T, p *page, opts dmap.Options, sinks ...dmap.Sink[int]) (run *dmap.Run, release func()) {
	t.Helper()
	hold := make(chan struct{})
	opts.Observer = p.Observer()
	run, err := dmap.Start(t.Context(), source.Slice(make([]int, 100)), func(ctx context.Context, _ int) (int, error) {
		info, _ := dmap.InfoFrom(ctx)
		if info.Index < 10 {
			return 0, fmt.Errorf("no rate for year %d", 1900+info.Index)
		}
		select {
		case <-hold:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		return 1, nil
	}, opts, sinks...)
	require.NoError(t, err)
	released := false
	release = func() {
		if !released {
			released = true
			close(hold)
		}
	}
	t.Cleanup(func() { release(); <-run.Done() })
	require.Eventually(t, func() bool { return p.site.set.Find(opts.RunID).Groups().Total == 10 }, 20*time.Second, time.Millisecond)
	return run, release
}
