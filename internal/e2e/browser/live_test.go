package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmapweb"
	"github.com/go-dmap/dmap/examples/loansim/loan"
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

// The items of the live run, and of one that has failed.
const (
	liveItems   = 20_000
	failedItems = 8_000
)

// loans is a bucket of applications, as the example loansim generates them.
func loans(t *testing.T, n int64) *blob.Bucket {
	t.Helper()
	bucket := memblob.OpenBucket(nil)
	t.Cleanup(func() { require.NoError(t, bucket.Close()) })
	for i := range n {
		data, err := loan.Encode(i)
		require.NoError(t, err)
		require.NoError(t, bucket.WriteAll(t.Context(), loan.Key(i), data, nil))
	}
	return bucket
}

// slowly is assess on a server that takes some time, seldom a long one, and fails now and then.
func slowly(ctx context.Context, o source.Object) (loan.Verdict, error) {
	wait := time.Duration(20+rand.IntN(100)) * time.Millisecond
	if rand.IntN(300) == 0 {
		wait = 4 * time.Second
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return loan.Verdict{}, ctx.Err()
	}
	if info, _ := dmap.InfoFrom(ctx); info.Attempt == 1 && rand.IntN(60) == 0 {
		return loan.Verdict{}, errors.New("status 503: the rates server is not available")
	}
	return assess(ctx, o)
}

// assess is the function of loansim, at two points of inflation above the expected rate.
func assess(ctx context.Context, o source.Object) (loan.Verdict, error) {
	data, err := o.ReadAll(ctx)
	if err != nil {
		return loan.Verdict{}, &dmap.ReadError{Err: err}
	}
	var app loan.Application
	if err := json.Unmarshal(data, &app); err != nil {
		return loan.Verdict{}, dmap.Permanent(&dmap.ReadError{Err: fmt.Errorf("%s: %w", o.Key, err)})
	}
	verdict, err := loan.Simulate(app, 2)
	return verdict, dmap.Permanent(err)
}

// startLive starts loansim with 20,000 loans that takes half a minute, and serves its page below a
// path.
func startLive(t *testing.T, prefix string, around ...func(http.Handler) http.Handler) *liveRun {
	t.Helper()
	in, bucket := loans(t, liveItems), memblob.OpenBucket(nil)
	t.Cleanup(func() { require.NoError(t, bucket.Close()) })
	var page *dmapweb.Page
	page, err := dmapweb.New(dmapweb.Options{
		Bucket: bucket, Prefix: "runs/", Authorize: dmapweb.LocalOnly, Payloads: true,
		Total: func(string) int64 { return liveItems },
		Redrive: func(ctx context.Context, runID string, redrive dmap.Redrive) error {
			_, err := dmap.Start(context.WithoutCancel(ctx), source.Objects(loans(t, failedItems), "applications/"), slowly,
				dmap.Options{RunID: runID, MaxConcurrency: 4, Redrive: redrive, Observer: page.Observer(), Tolerance: dmap.Tolerance{Count: 100}},
				sink.Bucket[loan.Verdict](bucket, "runs/", sink.BucketOptions{Inputs: sink.InputsAll}))
			return err
		},
	})
	require.NoError(t, err)
	var handler http.Handler = page
	for _, f := range around {
		handler = f(handler)
	}
	server := serve(t, page, http.StripPrefix(prefix, handler))
	run, err := dmap.Start(t.Context(), source.Objects(in, "applications/"), slowly, dmap.Options{
		RunID: "live", MaxConcurrency: 40, Observer: page.Observer(), Tolerance: dmap.Tolerance{Percentage: 20},
		Retry: dmap.Retry{MaxAttempts: 2, Initial: 100 * time.Millisecond},
	}, sink.Bucket[loan.Verdict](bucket, "runs/", sink.BucketOptions{Inputs: sink.InputsAll}))
	require.NoError(t, err)
	t.Cleanup(func() {
		run.Cancel(nil)
		<-run.Done()
	})
	return &liveRun{run, page, server + prefix + "/", bucket}
}

// failed leaves a run in the bucket that has exceeded its tolerance.
func failed(t *testing.T, bucket *blob.Bucket, runID string) {
	t.Helper()
	_, err := dmap.Map(t.Context(), source.Objects(loans(t, failedItems), "applications/"), assess,
		dmap.Options{RunID: runID, MaxConcurrency: 4, Tolerance: dmap.Tolerance{Count: 100}},
		sink.Bucket[loan.Verdict](bucket, "runs/", sink.BucketOptions{Inputs: sink.InputsAll}))
	require.ErrorIs(t, err, dmap.ErrTolerance)
}

// dead leaves a run in the bucket as a killed process does: with commits, and without an end.
func dead(t *testing.T, bucket *blob.Bucket, runID string) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	run, err := dmap.Start(ctx, source.Slice(make([]int, 1000)), func(ctx context.Context, _ int) (int, error) {
		info, _ := dmap.InfoFrom(ctx)
		switch {
		case info.Index >= 500:
			<-ctx.Done()
			return 0, ctx.Err()
		case info.Index%100 == 0:
			return 0, fmt.Errorf("no rate for year %d", 1900+info.Index)
		}
		return 1, nil
	}, dmap.Options{RunID: runID, MaxConcurrency: 4, Tolerance: dmap.Tolerance{Count: 50}, CommitEvery: 50 * time.Millisecond},
		sink.Bucket[int](bucket, "runs/"))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		there, err := bucket.Exists(t.Context(), "runs/"+runID+"/commits/999999999999-0.json")
		return err == nil && there && run.Stats().Succeeded > 100 && run.Stats().Failed > 0
	}, 20*time.Second, 10*time.Millisecond)
	<-time.After(200 * time.Millisecond) // the last commit of a process that lives
	kept := map[string][]byte{}
	objects := bucket.List(&blob.ListOptions{Prefix: "runs/" + runID + "/"})
	for {
		object, err := objects.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		kept[object.Key], err = bucket.ReadAll(t.Context(), object.Key)
		require.NoError(t, err)
	}
	cancel(errors.New("the process is killed"))
	_, err = run.Wait()
	require.Error(t, err)
	objects = bucket.List(&blob.ListOptions{Prefix: "runs/" + runID + "/"})
	for {
		object, err := objects.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		require.NoError(t, bucket.Delete(t.Context(), object.Key))
	}
	for key, content := range kept {
		require.NoError(t, bucket.WriteAll(t.Context(), key, content, nil))
	}
}

// hostileError has a hostile text and a hostile class.
type hostileError struct{ text string }

func (e hostileError) Error() string { return "no rate in " + e.text }
func (e hostileError) Class() string { return e.text[:min(len(e.text), 20)] }

// hostileRun runs objects with hostile keys, which fail with hostile errors, and leaves the run in
// the bucket that it returns. With an observer it is a run of a page, too.
func hostileRun(t *testing.T, texts []string, observers ...*dmap.Observer) *blob.Bucket {
	t.Helper()
	in, out := memblob.OpenBucket(nil), memblob.OpenBucket(nil)
	t.Cleanup(func() { require.NoError(t, errors.Join(in.Close(), out.Close())) })
	byKey := map[string]string{}
	for _, text := range texts {
		key := strings.ToValidUTF8(text, "?")
		byKey[key] = text
		require.NoError(t, in.WriteAll(t.Context(), key, []byte(text), nil))
	}
	_, err := dmap.Map(t.Context(), source.Objects(in, ""), func(ctx context.Context, o source.Object) (string, error) {
		return "", hostileError{byKey[o.Key]}
	}, dmap.Options{RunID: "hostile", Tolerance: dmap.Tolerance{Percentage: 100}, Version: texts[0], Observer: dmap.JoinObservers(observers...)},
		sink.Bucket[string](out, "runs/", sink.BucketOptions{Inputs: sink.InputsAll}))
	require.NoError(t, err)
	return out
}

// servePage serves a page over a bucket. If live, the hostile run is also one of its process.
func servePage(t *testing.T, bucket *blob.Bucket, live bool, texts []string) (url string) {
	t.Helper()
	page, err := dmapweb.New(dmapweb.Options{Bucket: bucket, Prefix: "runs/", Payloads: true, Authorize: dmapweb.LocalOnly})
	require.NoError(t, err)
	if live {
		hostileRun(t, texts, page.Observer())
	}
	return serve(t, page, page) + "/"
}

// serve serves a page by a handler until the end of the test, and returns the URL.
func serve(t *testing.T, page *dmapweb.Page, handler http.Handler) (url string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		page.Close()
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}
