package e2e

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"
	_ "gocloud.dev/blob/s3blob" // s3:// URLs
)

// store is a kind of bucket that the tests run on.
type store struct {
	name string
	// bucket makes a new, empty bucket.
	bucket func(t *testing.T) *blob.Bucket
	// missing opens a bucket that does not exist; nil if the store cannot.
	missing func(t *testing.T) *blob.Bucket
	// endpoint returns the address of the S3 server and the name of a new bucket; nil for other
	// stores.
	endpoint func(t *testing.T) (address, bucket string)

	createsOnce bool // IfNotExist is exclusive among racing writers
}

// inProcess names the store on an S3 server of this process.
const inProcess = "s3 in process"

func stores() []store {
	return []store{
		{name: "mem", bucket: memBucket, createsOnce: true},
		{name: "file", bucket: fileBucket},
		s3Store(inProcess, fakeS3, true),
		s3Store("versitygw", gatewayURL, true),
	}
}

// onEachStore runs test on every store, in parallel subtests.
func onEachStore(t *testing.T, test func(t *testing.T, s store)) {
	for _, s := range stores() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}

func memBucket(t *testing.T) *blob.Bucket { return closeAtEnd(t, memblob.OpenBucket(nil)) }

func fileBucket(t *testing.T) *blob.Bucket {
	b, err := fileblob.OpenBucket(t.TempDir(), &fileblob.Options{NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
	require.NoError(t, err)
	return closeAtEnd(t, b)
}

// s3Store is a store on the S3 server whose address serve returns.
func s3Store(name string, serve func(t *testing.T) string, createsOnce bool) store {
	endpoint := func(t *testing.T) (string, string) {
		address, bucket := serve(t), bucketName(t)
		makeBucket(t, address, bucket)
		return address, bucket
	}
	return store{
		name: name,
		bucket: func(t *testing.T) *blob.Bucket {
			address, bucket := endpoint(t)
			return openS3(t, address, bucket)
		},
		missing:     func(t *testing.T) *blob.Bucket { return openS3(t, serve(t), "no-such-bucket") },
		endpoint:    endpoint,
		createsOnce: createsOnce,
	}
}

// fakeS3 starts an in-process S3 server for one test.
func fakeS3(t *testing.T) string {
	// A fixed clock: the server reads the time twice, so the listed time of an object could be a
	// second later than its own, and the object would seem changed.
	clock := gofakes3.FixedTimeSource(time.Now())
	fake := gofakes3.New(s3mem.New(s3mem.WithTimeSource(clock)), gofakes3.WithTimeSource(clock)).Server()
	server := httptest.NewServer(&createOnly{Handler: fake})
	t.Cleanup(server.Close)
	return server.URL
}

// createOnly makes the header If-None-Match: * of an S3 server exclusive, which looks and then
// writes. One write runs at a time.
type createOnly struct {
	http.Handler
	mu sync.Mutex
}

func (c *createOnly) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut && r.Method != http.MethodPost {
		c.Handler.ServeHTTP(w, r)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Header.Get("If-None-Match") == "*" {
		there := httptest.NewRecorder()
		c.Handler.ServeHTTP(there, httptest.NewRequest(http.MethodHead, r.URL.Path, nil))
		if there.Code == http.StatusOK {
			w.WriteHeader(http.StatusPreconditionFailed)
			_, _ = io.WriteString(w, "<Error><Code>PreconditionFailed</Code></Error>")
			return
		}
	}
	c.Handler.ServeHTTP(w, r)
}

// openS3 opens a bucket as a user does, by URL.
func openS3(t *testing.T, address, bucket string) *blob.Bucket {
	t.Helper()
	b, err := blob.OpenBucket(t.Context(), s3URL(address, bucket))
	require.NoError(t, err)
	return closeAtEnd(t, b)
}

func s3URL(address, bucket string) string {
	query := url.Values{
		"region": {"us-east-1"}, "endpoint": {address}, "hostname_immutable": {"true"}, "use_path_style": {"true"},
	}
	return "s3://" + bucket + "?" + query.Encode()
}

func makeBucket(t *testing.T, address, bucket string) {
	t.Helper()
	var client *s3.Client
	require.True(t, openS3(t, address, bucket).As(&client))
	_, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket})
	require.NoError(t, err, "create bucket %s at %s", bucket, address)
}

// bucketName returns a new name that contains the name of the test.
func bucketName(t *testing.T) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(t.Name()))
	return strings.Trim(name[:min(len(name), 40)], "-") + "-" + strings.ToLower(unique())
}

func closeAtEnd(t *testing.T, b *blob.Bucket) *blob.Bucket {
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// put writes objects.
func put(t *testing.T, b *blob.Bucket, objects map[string]string) {
	t.Helper()
	for key, content := range objects {
		require.NoError(t, b.WriteAll(context.WithoutCancel(t.Context()), key, []byte(content), nil))
	}
}
