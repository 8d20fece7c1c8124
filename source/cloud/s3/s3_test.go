package s3_test

import (
	"net/http"
	"net/url"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/source"
	"github.com/go-dmap/dmap/source/cloud/internal/crowd"
	"github.com/go-dmap/dmap/source/cloud/s3"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// asUser sets the environment of a user, and hides all other configuration.
func asUser(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
}

func urlOf(address string, more ...string) string {
	query := url.Values{
		"region": {"us-east-1"}, "endpoint": {address}, "hostname_immutable": {"true"}, "use_path_style": {"true"},
		"response_checksum_validation": {"when_required"}, // otherwise the SDK logs each response without one
	}
	for i := 0; i < len(more); i += 2 {
		query.Set(more[i], more[i+1])
	}
	return "s3://bucket?" + query.Encode()
}

// server is an in-process S3 server that records requests.
type server struct{ *crowd.Recorder }

func newServer(t *testing.T) server {
	asUser(t)
	backend := s3mem.New()
	require.NoError(t, backend.CreateBucket("bucket"))
	s := crowd.NewRecorder(gofakes3.New(backend).Server().ServeHTTP)
	t.Cleanup(s.Close)
	return server{s}
}

// open opens the server's bucket as a user would.
func (s server) open(t *testing.T, more ...string) *blob.Bucket {
	t.Helper()
	bucket, err := s3.OpenBucket(t.Context(), urlOf(s.URL, more...), s3.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { bucket.Close() }) // ignore the error: a prefixed bucket may have closed it
	return bucket
}

func TestConcurrentCallsKeepTheirConnections(t *testing.T) {
	asUser(t)
	calls := testsize.Sizes{Short: 300, Usual: 1000}.Now()
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

	wide, err := s3.OpenBucket(t.Context(), urlOf(store.URL), s3.Options{Calls: calls})
	require.NoError(t, err)
	defer wide.Close()
	require.EqualValues(t, calls, round(wide))
	require.Zero(t, round(wide))
	require.Zero(t, round(wide))

	standard, err := blob.OpenBucket(t.Context(), urlOf(store.URL))
	require.NoError(t, err)
	defer standard.Close()
	require.EqualValues(t, calls, round(standard))
	require.Greater(t, round(standard), int64(calls/2), "the SDK's default client keeps enough connections: this package is no longer needed")
}

func TestURLParametersOfGocloudApply(t *testing.T) {
	s := newServer(t)
	bucket := s.open(t, "ssetype", "AES256", "rate_limiter_capacity", "7")
	require.NoError(t, bucket.WriteAll(t.Context(), "key", []byte("x"), nil))
	require.Equal(t, http.MethodPut, s.Last().Method)
	require.Equal(t, "AES256", s.Last().Header.Get("X-Amz-Server-Side-Encryption"))
	require.Equal(t, "/bucket/key", s.Last().URL.Path)
	got, err := bucket.ReadAll(t.Context(), "key")
	require.NoError(t, err)
	require.Equal(t, "x", string(got))
	require.Contains(t, s.Last().Header.Get("Authorization"), "Credential=id/")
}

func TestInvalidURLAndOptionsAreErrors(t *testing.T) {
	asUser(t)
	for _, test := range []struct{ url, want string }{
		{"gs://bucket", `scheme "gs"`},
		{"s3://bucket?nonsense=1", "nonsense"},
		{"s3://\x7f", "does not parse"},
	} {
		_, err := s3.OpenBucket(t.Context(), test.url, s3.Options{})
		require.ErrorContains(t, err, test.want)
	}
	_, err := s3.OpenBucket(t.Context(), "s3://bucket", s3.Options{Calls: -1})
	require.ErrorContains(t, err, "Calls -1")
}

func TestClientWidensOnlyTheBuildableClient(t *testing.T) {
	own := awss3.New(awss3.Options{Region: "us-east-1", HTTPClient: awshttp.NewBuildableClient().WithTransportOptions(
		func(t *http.Transport) { t.MaxConnsPerHost = 50 },
	)})
	wide, ok := s3.Client(own, 100).Options().HTTPClient.(*awshttp.BuildableClient)
	require.True(t, ok)
	require.Equal(t, 200, wide.GetTransport().MaxIdleConnsPerHost)
	require.Equal(t, 200, wide.GetTransport().MaxConnsPerHost)
	require.Zero(t, wide.GetTransport().MaxIdleConns)

	other := awss3.New(awss3.Options{Region: "us-east-1", HTTPClient: &http.Client{}})
	require.Same(t, other, s3.Client(other, 100))
}

// The SDK names neither the bucket nor the prefix.
func TestAListingWithoutCredentialsNamesBucketAndPrefix(t *testing.T) {
	server := newServer(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	bucket := server.open(t)
	for _, options := range []source.ObjectsOptions{{}, {Store: s3.Store()}} {
		failed := false
		for _, err := range source.Objects(bucket, "data/", options).Items(t.Context()) {
			failed = true
			require.ErrorContains(t, err, `bucket "bucket"`)
			require.ErrorContains(t, err, `list "data/"`)
		}
		require.True(t, failed)
	}
}
