package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/dmap/dmapweb"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// sasError is what a driver returns for a request with a URL that holds a signature.
func sasError(op dmaptest.Op) error {
	u := "https://acct.blob.core.windows.net/loans/" + string(op) + "?sv=2024-11-04&se=2026-12-01&sr=c&sp=racwl&sig=" + plantedSecret + "%3D"
	return &url.Error{Op: "Get", URL: u, Err: errors.New("connect: connection refused")}
}

// useAll runs jobs over a bucket into it, reads their results, and asks for all pages about them.
func useAll(t *testing.T, l *left, bucket *blob.Bucket) (pages string) {
	t.Helper()
	ctx := t.Context()
	keep := func(err error) { l.errs = append(l.errs, err) }
	opts := func(id string) dmap.Options {
		return dmap.Options{
			RunID: id, Logger: l.logger(), MaxConcurrency: 4, CommitEvery: 20 * time.Millisecond,
			Tolerance: dmap.Tolerance{Percentage: 100, BrokenObjects: 100}, Redrive: dmap.Redrive{Max: 1, Tolerated: true},
		}
	}
	to := func() dmap.Sink[int] { return sink.Bucket[int](bucket, "out", sink.BucketOptions{PartBytes: 400}) }
	objects := func(ctx context.Context, o source.Object) (int, error) {
		<-time.After(7 * time.Millisecond)
		content, err := o.ReadAll(ctx)
		return len(content), err
	}
	lines := func(context.Context, map[string]any) (int, error) { return 0, errors.New("refused") }
	for range 2 { // the second is a redrive
		_, err := dmap.Map(ctx, source.Objects(bucket, "in/"), objects, opts("objects"), to())
		keep(err)
		_, err = dmap.Map(ctx, source.JSONLines[map[string]any](bucket, "in/3.jsonl"), lines, opts("lines"), to())
		keep(err)
	}
	_, err := dmap.Preflight(ctx, source.Objects(bucket, "in/"), objects, opts("new"), to())
	keep(err)
	for _, id := range []string{"objects", "lines"} {
		run, err := results.Load(ctx, bucket, "out", id)
		if keep(err); err == nil {
			for _, err := range results.Failures(ctx, bucket, run) {
				keep(err)
			}
			_, err = results.Groups(ctx, bucket, run)
			keep(err)
		}
		_, err = results.Clean(ctx, bucket, "out", id)
		keep(err)
	}
	page, err := dmapweb.New(dmapweb.Options{Bucket: bucket, Prefix: "out", Authorize: dmapweb.LocalOnly, Logger: l.logger()})
	require.NoError(t, err)
	defer page.Close()
	for _, path := range []string{"", "/objects?stored=1", "/objects/groups", "/objects/failures", "/objects/failures?q=refused", "/lines?stored=1", "/lines/groups"} {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://localhost:8080/api/runs"+path, nil)
		r.RemoteAddr = "127.0.0.1:1234"
		w := httptest.NewRecorder()
		page.ServeHTTP(w, r)
		pages += fmt.Sprintf("%s %d %s\n", path, w.Code, w.Body)
	}
	return pages
}

// An error of the store may hold the URL of the request, whose query is a credential.
func TestNoOutputHoldsACredentialOfAnErrorOfTheStore(t *testing.T) {
	shown := 0
	for _, op := range []dmaptest.Op{
		dmaptest.OpAttributes, dmaptest.OpOpen, dmaptest.OpRead, dmaptest.OpList, dmaptest.OpCreate, dmaptest.OpWrite, dmaptest.OpClose, dmaptest.OpDelete,
	} {
		for _, fault := range []dmaptest.Fault{{Nth: 1, Sticky: true}, {Nth: 9, Sticky: true}, {Key: "commits/", Sticky: true}, {Key: "manifest", Sticky: true}, {Key: "in/", Sticky: true}} {
			synctest.Test(t, func(t *testing.T) {
				inner := memBucket(t)
				for i := range 6 {
					put(t, inner, map[string]string{fmt.Sprintf("in/%d.jsonl", i): "{\"N\":1}\n{\"N\":2}\n{\"N\":3}\n"})
				}
				bucket := dmaptest.NewFaultBucket(t, inner)
				fault.Op, fault.Err = op, sasError(op)
				bucket.Inject(fault)
				l := &left{bucket: inner}
				pages := useAll(t, l, bucket.Bucket)
				texts := l.texts(t, "")
				texts["pages"] = pages
				require.Empty(t, hits(texts, plantedSecret), "%s of %q from %d on", op, fault.Key, fault.Nth)
				shown += len(hits(texts, "connection refused"))
			})
		}
	}
	require.Greater(t, shown, 100, "the rest of the texts is there")
}
