package azure_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/source"
	"github.com/go-dmap/dmap/source/cloud/azure"
	"github.com/go-dmap/dmap/source/cloud/internal/crowd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// key is base64, like the keys of accounts.
const key = "c2VjcmV0"

// asUser sets the environment of a user of the account "loans". pairs are names and values of
// further variables.
func asUser(t *testing.T, pairs ...string) {
	for _, name := range []string{
		"ACCOUNT", "KEY", "SAS_TOKEN", "CONNECTION_STRING", "DOMAIN", "PROTOCOL", "IS_CDN", "IS_LOCAL_EMULATOR",
	} {
		t.Setenv("AZURE_STORAGE_"+name, "")
	}
	t.Setenv("AZURE_STORAGEBLOB_CONNECTIONSTRING", "")
	t.Setenv("AZURE_STORAGE_ACCOUNT", "loans")
	for i := 0; i < len(pairs); i += 2 {
		t.Setenv(pairs[i], pairs[i+1])
	}
}

// urlOf returns the URL of a container of the service at address.
func urlOf(address string) string {
	query := url.Values{"protocol": {"http"}, "domain": {strings.TrimPrefix(address, "http://")}, "localemu": {"true"}}
	return "azblob://box?" + query.Encode()
}

func open(t *testing.T, url string) *blob.Bucket {
	t.Helper()
	bucket, err := azure.OpenBucket(t.Context(), url, azure.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { bucket.Close() })
	return bucket
}

func TestConcurrentCallsKeepTheirConnections(t *testing.T) {
	asUser(t, "AZURE_STORAGE_KEY", key)
	const calls = 1000
	store := crowd.NewStore(calls)
	defer store.Close()
	round := func(bucket *blob.Bucket) int64 {
		opened, err := store.Round(func() error {
			_, err := bucket.ReadAll(t.Context(), "key")
			return err
		})
		require.NoError(t, err)
		return opened
	}
	wide := open(t, urlOf(store.URL))
	require.EqualValues(t, calls, round(wide))
	require.Zero(t, round(wide))

	standard, err := blob.OpenBucket(t.Context(), urlOf(store.URL))
	require.NoError(t, err)
	defer standard.Close()
	require.EqualValues(t, calls, round(standard))
	require.Greater(t, round(standard), int64(calls/2), "the SDK's default client keeps enough connections: this package is no longer needed")
}

// listing answers listings with the given names, and reads of the object with ETag "0x7".
func listing(names ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		const modified = "Thu, 01 Jan 2026 00:00:00 GMT"
		if r.URL.Query().Get("comp") != "list" {
			if want := r.Header.Get("If-Match"); want != "" && want != `"0x7"` {
				w.Header().Set("x-ms-error-code", "ConditionNotMet")
				w.WriteHeader(http.StatusPreconditionFailed)
				return
			}
			w.Header().Set("Last-Modified", modified)
			fmt.Fprint(w, "x")
			return
		}
		w.Header().Set("Content-Type", "application/xml")
		fmt.Fprint(w, `<?xml version="1.0"?><EnumerationResults><Blobs>`)
		for _, name := range names {
			fmt.Fprintf(w, `<Blob><Name>%s</Name><Properties><Last-Modified>%s</Last-Modified><Etag>0x7</Etag>`+
				`<Content-Length>1</Content-Length></Properties></Blob>`, name, modified)
		}
		fmt.Fprint(w, `</Blobs><NextMarker/></EnumerationResults>`)
	}
}

func recorder(t *testing.T, names ...string) *crowd.Recorder {
	r := crowd.NewRecorder(listing(names...))
	t.Cleanup(r.Close)
	return r
}

func TestCredentialsComeFromTheEnvironment(t *testing.T) {
	for name, test := range map[string]struct {
		environment []string
		query, head string
	}{
		"key":   {[]string{"AZURE_STORAGE_KEY", key, "AZURE_STORAGE_SAS_TOKEN", "sig=no"}, "", "SharedKey loans:"},
		"token": {[]string{"AZURE_STORAGE_SAS_TOKEN", "sig=yes", "AZURE_STORAGE_CONNECTION_STRING", "nonsense"}, "yes", ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := recorder(t)
			asUser(t, append(test.environment, "AZURE_STORAGE_DOMAIN", strings.TrimPrefix(server.URL, "http://"), "AZURE_STORAGE_PROTOCOL", "http")...)
			_, err := open(t, "azblob://box").ReadAll(t.Context(), "key")
			require.NoError(t, err)
			require.Equal(t, "/loans/box/key", server.Last().URL.Path)
			if test.query != "" {
				require.Equal(t, test.query, server.Last().URL.Query().Get("sig"))
			}
			require.True(t, strings.HasPrefix(server.Last().Header.Get("Authorization"), test.head))
		})
	}
	t.Run("connection string", func(t *testing.T) {
		server := recorder(t)
		asUser(t, "AZURE_STORAGE_ACCOUNT", "", "AZURE_STORAGE_CONNECTION_STRING",
			"DefaultEndpointsProtocol=http;AccountName=other;AccountKey="+key+";BlobEndpoint="+server.URL+"/other;")
		_, err := open(t, "azblob://box").ReadAll(t.Context(), "key")
		require.NoError(t, err)
		require.Equal(t, "/other/box/key", server.Last().URL.Path)
		require.True(t, strings.HasPrefix(server.Last().Header.Get("Authorization"), "SharedKey other:"))
	})
}

func TestSASTokenIsNotSentToAnotherService(t *testing.T) {
	asUser(t, "AZURE_STORAGE_SAS_TOKEN", "sig=yes")
	_, err := azure.OpenBucket(t.Context(), "azblob://box?domain=example.com", azure.Options{})
	require.ErrorContains(t, err, "AZURE_STORAGE_SAS_TOKEN")
	require.NotContains(t, err.Error(), "yes")
	open(t, "azblob://box")
}

func TestInvalidURLAndOptionsAreErrors(t *testing.T) {
	asUser(t, "AZURE_STORAGE_KEY", key)
	for _, test := range []struct{ url, want string }{
		{"s3://box", `scheme "s3"`},
		{"azblob://box?nonsense=1", "nonsense"},
		{"azblob://\x7f", "does not parse"},
	} {
		_, err := azure.OpenBucket(t.Context(), test.url, azure.Options{})
		require.ErrorContains(t, err, test.want)
	}
	_, err := azure.OpenBucket(t.Context(), "azblob://box", azure.Options{Calls: -1})
	require.ErrorContains(t, err, "Calls -1")
}

func TestSDKDoesNotSendTheStartOfAListing(t *testing.T) {
	asUser(t, "AZURE_STORAGE_KEY", key)
	server := recorder(t, "a", "b")
	require.Nil(t, azure.Store().StartAfter)
	_, _, err := open(t, urlOf(server.URL)).ListPage(t.Context(), blob.FirstPageToken, 9, &blob.ListOptions{
		BeforeList: func(as func(any) bool) error {
			var options *container.ListBlobsHierarchyOptions
			require.True(t, as(&options))
			from := "b"
			options.StartFrom = &from
			return nil
		},
	})
	require.NoError(t, err)
	require.False(t, server.Last().URL.Query().Has("startFrom"), "the SDK sends it now: Store can have StartAfter")
}

func TestReadsAreConditionalOnTheListedETag(t *testing.T) {
	asUser(t, "AZURE_STORAGE_KEY", key)
	server := recorder(t, "key")
	bucket := open(t, urlOf(server.URL))
	n := 0
	for item, err := range source.Objects(bucket, "", source.ObjectsOptions{Store: azure.Store()}).Items(t.Context()) {
		require.NoError(t, err)
		require.Equal(t, `"0x7"`, item.Value.ETag)
		n++
	}
	require.Equal(t, 1, n)
	for etag, code := range map[string]gcerrors.ErrorCode{`"0x7"`: gcerrors.OK, `"0x8"`: gcerrors.FailedPrecondition} {
		r, err := bucket.NewReader(t.Context(), "key", &blob.ReaderOptions{BeforeRead: func(as func(any) bool) error {
			require.True(t, azure.Store().IfMatch(as, etag))
			return nil
		}})
		require.Equal(t, code, gcerrors.Code(err), "%v", err)
		require.Equal(t, etag, server.Last().Header.Get("If-Match"))
		if err == nil {
			require.NoError(t, r.Close())
		}
	}
}

func TestRequestsOfOtherStoresAreNotChanged(t *testing.T) {
	other := func(any) bool { return false }
	require.False(t, azure.Store().IfMatch(other, "etag"))
	require.Empty(t, azure.Store().ETag(new(blob.ListObject)))
}
