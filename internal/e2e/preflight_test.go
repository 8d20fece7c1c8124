package e2e

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

func puttings(r *http.Request) bool  { return r.Method == http.MethodPut }
func deletions(r *http.Request) bool { return r.Method == http.MethodDelete }

// preflightOps are the operations that failed, in order.
func preflightOps(err error) (ops []string) {
	var all interface{ Unwrap() []error }
	if !errors.As(err, &all) {
		return nil
	}
	for _, one := range all.Unwrap() {
		var problem *dmap.PreflightError
		if errors.As(one, &problem) {
			ops = append(ops, problem.Check.Part+" "+problem.Check.Op)
		}
	}
	return ops
}

// An S3 server refuses each operation, hangs at it or lies: the preflight of the job names exactly
// the tries that need it, within seconds, and leaves nothing that it may delete.
func TestAPreflightNamesWhatAnS3ServerRefuses(t *testing.T) {
	address, name := fakeS3(t), bucketName(t)
	makeBucket(t, address, name)
	b := openS3(t, address, name)
	fill(t, b, 3)
	refused := func(takes func(*http.Request) bool) []bend {
		lost := func(r *http.Request) { r.Method, r.URL.Path, r.URL.RawQuery = http.MethodHead, "/", "" }
		return []bend{{takes: takes, request: lost, answer: refuse(http.StatusForbidden, "AccessDenied")}}
	}
	silent := func(takes func(*http.Request) bool) []bend { return []bend{{takes: takes, silent: true}} }
	look, read := "sink 0 look for the run in", []string{"source read", "sink 0 look for the run in", "sink 0 create again", "sink 0 read back"}
	for _, test := range []struct {
		name  string
		bends []bend
		want  []string
		text  string
	}{
		{"nothing", nil, nil, ""},
		{"list refused", refused(listings), []string{"source list", look, "sink 0 list"}, "s3:ListBucket"},
		{"read refused", refused(gets), read, "s3:GetObject"},
		{"create refused", refused(puttings), []string{"sink 0 create"}, "s3:PutObject"},
		{"delete refused", refused(deletions), []string{"sink 0 delete"}, "s3:DeleteObject"},
		{"everything refused", refused(func(*http.Request) bool { return true }), []string{
			"source list", look, "sink 0 create", "sink 0 list", "sink 0 delete",
		}, "s3:DeleteObject"},
		{"If-None-Match ignored", []bend{{takes: puttings, request: func(r *http.Request) { r.Header.Del("If-None-Match") }}}, []string{"sink 0 create again"}, "If-None-Match"},
		{"list hangs", silent(listings), []string{"source list", look, "sink 0 list"}, "no answer within"},
		{"read hangs", silent(gets), read, "no answer within"},
		{"create hangs", silent(puttings), []string{"sink 0 create"}, "no answer within"},
		{"delete hangs", silent(deletions), []string{"sink 0 delete"}, "no answer within"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, bent := newBender(t, bendProxy(t, address), test.bends...)
			began, out := time.Now(), unique()
			report, err := preflightJob(t.Context(), openS3(t, bent, name), options(out))
			took := time.Since(began)
			t.Logf("%.1f s\n%v", took.Seconds(), report)
			require.Less(t, took, 11*time.Second)
			require.Equal(t, test.want, preflightOps(err), "%v", err)
			if test.text != "" {
				require.ErrorContains(t, err, test.text)
			}
			left, err := b.ReadAll(t.Context(), "runs/"+out+"/run.json")
			require.Error(t, err, "%s", left)
			if !strings.HasPrefix(test.name, "delete") {
				require.Empty(t, listed(t, b, "runs/"+out))
				return
			}
			_, err = preflightJob(t.Context(), openS3(t, bent, name), options(out))
			require.Equal(t, test.want, preflightOps(err), "%v", err)
			if test.name == "delete refused" {
				require.Len(t, listed(t, b, "runs/"+out), 1, "the objects do not become more")
			}
			_, err = preflightJob(t.Context(), b, options(out))
			require.NoError(t, err)
			require.Empty(t, listed(t, b, "runs/"+out))
		})
	}
}

func preflightJob(ctx context.Context, b *blob.Bucket, opts dmap.Options) (dmap.PreflightReport, error) {
	return dmap.Preflight(ctx, source.Objects(b, "data/"), square, opts, jobSink(b))
}

// listed are the keys with a prefix.
func listed(t *testing.T, b *blob.Bucket, prefix string) (keys []string) {
	t.Helper()
	page, _, err := b.ListPage(t.Context(), blob.FirstPageToken, 1000, &blob.ListOptions{Prefix: prefix})
	require.NoError(t, err)
	for _, o := range page {
		keys = append(keys, o.Key)
	}
	return keys
}

func TestAPreflightOfABucketThatIsNotThere(t *testing.T) {
	address := fakeS3(t)
	began := time.Now()
	_, err := preflightJob(t.Context(), openS3(t, address, bucketName(t)), options("r"))
	require.ErrorContains(t, err, "check the names of the bucket")
	require.Less(t, time.Since(began), 11*time.Second)
	_, err = preflightJob(t.Context(), openS3(t, "http://127.0.0.1:1", "none"), options("r"))
	t.Log(err)
	require.ErrorContains(t, err, "check endpoint")
	require.Less(t, time.Since(began), 22*time.Second)
}

// Every store that the tests know passes.
func TestEveryStorePassesThePreflight(t *testing.T) {
	onEachStore(t, func(t *testing.T, s store) {
		b := s.bucket(t)
		fill(t, b, 3)
		_, err := preflightJob(t.Context(), b, options("r"))
		require.NoError(t, err)
		require.Empty(t, listed(t, b, "runs/"))
	})
}
