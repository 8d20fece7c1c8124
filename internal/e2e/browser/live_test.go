package browser

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmapweb"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// liveRun is a run that works, and its page on a server.
type liveRun struct {
	run    *dmap.Run
	page   *dmapweb.Page
	url    string
	bucket *blob.Bucket
}

// startLive starts a run of 100,000 items of some milliseconds, of which some fail, and serves its
// page below a path.
func startLive(t *testing.T, prefix string) *liveRun {
	t.Helper()
	bucket := memblob.OpenBucket(nil)
	page, err := dmapweb.New(dmapweb.Options{
		Bucket: bucket, Prefix: "runs/", Authorize: dmapweb.LocalOnly, Payloads: true,
		Total: func(string) int64 { return 100_000 },
	})
	require.NoError(t, err)
	server := httptest.NewServer(http.StripPrefix(prefix, page))
	items := make([]string, 100_000)
	for i := range items {
		items[i] = fmt.Sprintf("applications/%04d/%07d.json", i/1000, i)
	}
	run, err := dmap.Start(t.Context(), source.Slice(items), func(ctx context.Context, key string) (string, error) {
		info, _ := dmap.InfoFrom(ctx)
		wait := time.Duration(5+rand.IntN(60)) * time.Millisecond
		if rand.IntN(200) == 0 {
			wait = 3 * time.Second
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return "", ctx.Err()
		}
		switch rand.IntN(100) {
		case 0:
			return "", fmt.Errorf("insolvent: payment %d of %d is 1,234.%02d over the income", info.Index%7, 30, info.Index%100)
		case 1:
			if info.Attempt < 2 {
				return "", errors.New("status 503: the rates server is not available")
			}
		case 2:
			if info.Index%3000 < 300 {
				return "", dmap.Permanent(fmt.Errorf("decode %s: unexpected end of JSON input", key))
			}
		}
		return key, nil
	}, dmap.Options{
		RunID: "live", MaxConcurrency: 40, Observer: page.Observer(), Tolerance: dmap.Tolerance{Percentage: 10},
		Retry: dmap.Retry{MaxAttempts: 2, Initial: 100 * time.Millisecond},
	}, sink.Bucket[string](bucket, "runs/", sink.BucketOptions{Inputs: sink.InputsAll}))
	require.NoError(t, err)
	t.Cleanup(func() {
		run.Cancel(nil)
		<-run.Done()
		page.Close()
		server.Close()
		require.NoError(t, bucket.Close())
	})
	return &liveRun{run, page, server.URL + prefix + "/", bucket}
}

// failed leaves a run in the bucket that has exceeded its tolerance.
func failed(t *testing.T, bucket *blob.Bucket, runID string) {
	t.Helper()
	items := make([]string, 2000)
	for i := range items {
		items[i] = fmt.Sprintf("region %d", i%5)
	}
	_, err := dmap.Map(t.Context(), source.Slice(items), func(ctx context.Context, key string) (string, error) {
		info, _ := dmap.InfoFrom(ctx)
		switch {
		case info.Index%97 == 0:
			return "", fmt.Errorf("no rate for year %d in %s", 1900+info.Index, key)
		case info.Index%31 == 0:
			return "", dmap.Permanent(fmt.Errorf("insolvent: payment %d of 30 is %d over the income", info.Index%30, info.Index))
		case info.Index == 1500:
			panic("index out of range")
		}
		return key, nil
	}, dmap.Options{RunID: runID, MaxConcurrency: 4, Tolerance: dmap.Tolerance{Count: 70}},
		sink.Bucket[string](bucket, "runs/", sink.BucketOptions{Inputs: sink.InputsAll}))
	require.ErrorIs(t, err, dmap.ErrTolerance)
}
