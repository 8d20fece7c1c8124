package gcs_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/source"
	"github.com/go-dmap/dmap/source/cloud/gcs"
	"github.com/go-dmap/dmap/source/cloud/internal/crowd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// emulate points the SDK to the server at address.
func emulate(t *testing.T, address string) {
	t.Setenv("STORAGE_EMULATOR_HOST", strings.TrimPrefix(address, "http://"))
}

func open(t *testing.T, url string, options gcs.Options) *blob.Bucket {
	t.Helper()
	bucket, err := gcs.OpenBucket(t.Context(), url, options)
	require.NoError(t, err)
	t.Cleanup(func() { bucket.Close() })
	return bucket
}

func TestConcurrentCallsKeepTheirConnections(t *testing.T) {
	const calls = 1000
	store := crowd.NewStore(calls)
	defer store.Close()
	emulate(t, store.URL)
	round := func(bucket *blob.Bucket) int64 {
		opened, err := store.Round(func() error {
			_, err := bucket.ReadAll(t.Context(), "key")
			return err
		})
		require.NoError(t, err)
		return opened
	}
	wide := open(t, "gs://bucket", gcs.Options{Calls: calls})
	require.EqualValues(t, calls, round(wide))
	require.Zero(t, round(wide))

	standard, err := blob.OpenBucket(t.Context(), "gs://bucket")
	require.NoError(t, err)
	defer standard.Close()
	require.EqualValues(t, calls, round(standard))
	require.Greater(t, round(standard), int64(calls/2), "the SDK's default client keeps enough connections: this package is no longer needed")
	http.DefaultClient.CloseIdleConnections() // gocloud uses it for an emulator
}

func TestInvalidURLAndOptionsAreErrors(t *testing.T) {
	t.Setenv("STORAGE_EMULATOR_HOST", "")
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent")
	for _, test := range []struct{ url, want string }{
		{"s3://bucket", `scheme "s3"`},
		{"gs://bucket?nonsense=1&anonymous=true", "nonsense"},
		{"gs://bucket?anonymous=perhaps", "anonymous=perhaps"},
		{"gs://bucket", "credentials"},
		{"gs://\x7f", "does not parse"},
	} {
		_, err := gcs.OpenBucket(t.Context(), test.url, gcs.Options{})
		require.ErrorContains(t, err, test.want)
	}
	_, err := gcs.OpenBucket(t.Context(), "gs://bucket", gcs.Options{Calls: -1})
	require.ErrorContains(t, err, "Calls -1")
	for _, url := range []string{"gs://bucket?anonymous=true", "gs://bucket?access_id=-"} {
		open(t, url, gcs.Options{})
	}
}

// listing answers listings with the given names, and reads of generation 7.
func listing(names ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/o") {
			if want := r.Header.Get("x-goog-if-generation-match"); want != "" && want != "7" {
				w.WriteHeader(http.StatusPreconditionFailed)
				return
			}
			w.Header().Set("x-goog-generation", "7")
			fmt.Fprint(w, "x")
			return
		}
		var items []string
		for _, name := range names {
			items = append(items, fmt.Sprintf(`{"name":%q,"size":"1","generation":"7","etag":"CAE=","updated":"2026-01-01T00:00:00Z"}`, name))
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"kind":"storage#objects","items":[%s]}`, strings.Join(items, ","))
	}
}

func TestListingsStartAtAKey(t *testing.T) {
	server := crowd.NewRecorder(listing("top/a/2"))
	defer server.Close()
	emulate(t, server.URL)
	start := func(bucket *blob.Bucket, prefix, key string) string {
		_, _, err := bucket.ListPage(t.Context(), blob.FirstPageToken, 9, &blob.ListOptions{
			Prefix: prefix, BeforeList: func(as func(any) bool) error {
				require.True(t, gcs.Store().StartAfter(as, prefix, key))
				return nil
			},
		})
		require.NoError(t, err)
		return server.Last().URL.Query().Get("startOffset")
	}
	bucket := open(t, "gs://bucket", gcs.Options{})
	require.Equal(t, "top/a/2", start(bucket, "top/", "top/a/2"))
	require.Equal(t, "top/a\x01", start(bucket, "top/", "top/a\x01"))
	require.Equal(t, "top/a__0xa__2", start(bucket, "top/", "top/a__0xa__2"), "the name in the store")
	prefixed := blob.PrefixedBucket(bucket, "top/")
	defer prefixed.Close()
	require.Equal(t, "top/a/2", start(prefixed, "a/", "a/2"))
}

func TestReadsAreConditionalOnTheListedGeneration(t *testing.T) {
	server := crowd.NewRecorder(listing("key"))
	defer server.Close()
	emulate(t, server.URL)
	bucket := open(t, "gs://bucket", gcs.Options{})
	n := 0
	for item, err := range source.Objects(bucket, "", source.ObjectsOptions{Store: gcs.Store()}).Items(t.Context()) {
		require.NoError(t, err)
		require.Equal(t, "7", item.Value.ETag)
		n++
	}
	require.Equal(t, 1, n)
	for etag, code := range map[string]gcerrors.ErrorCode{"7": gcerrors.OK, "8": gcerrors.FailedPrecondition} {
		r, err := bucket.NewReader(t.Context(), "key", &blob.ReaderOptions{BeforeRead: func(as func(any) bool) error {
			require.True(t, gcs.Store().IfMatch(as, etag))
			return nil
		}})
		require.Equal(t, code, gcerrors.Code(err), "%v", err)
		require.Equal(t, etag, server.Last().Header.Get("x-goog-if-generation-match"))
		if err == nil {
			require.NoError(t, r.Close())
		}
	}
}

func TestRequestsOfOtherStoresAreNotChanged(t *testing.T) {
	other := func(any) bool { return false }
	require.False(t, gcs.Store().StartAfter(other, "", "key"))
	require.False(t, gcs.Store().IfMatch(other, "7"))
	require.False(t, gcs.Store().IfMatch(func(any) bool { return true }, `"an etag"`))
	require.Empty(t, gcs.Store().ETag(new(blob.ListObject)))
}
