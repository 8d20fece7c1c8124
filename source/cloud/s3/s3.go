// Package s3 opens S3 buckets with enough connections and tells source.Objects what S3 can do.
package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
	"gocloud.dev/blob/s3blob"

	"github.com/go-dmap/dmap/source/cloud/internal/conns"
)

// Options of OpenBucket. The zero value is valid.
type Options struct {
	// Calls is how many requests run at once: dmap.Options.MaxConcurrency. Each keeps a connection. 0: 1,000.
	Calls int
}

// OpenBucket opens a URL such as "s3://my-bucket?region=eu-central-1" as blob.OpenBucket does, with all parameters that
// s3blob documents and the usual configuration (environment, shared files, roles), but with a client that keeps enough
// connections for Options.Calls. The SDK makes three attempts of each request, as with blob.OpenBucket; it retries no body
// that breaks off, which source.Object does.
func OpenBucket(ctx context.Context, bucketURL string, options Options) (*blob.Bucket, error) {
	calls, err := conns.Calls(options.Calls)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(bucketURL)
	if err != nil {
		return nil, errors.New("s3: the bucket's URL does not parse") // it is not repeated, as it may hold a secret
	}
	if u.Scheme != s3blob.Scheme {
		return nil, fmt.Errorf("s3: scheme %q: want %s", u.Scheme, s3blob.Scheme)
	}
	opener := new(s3blob.URLOpener) // it notes what the URL says for the bucket in its Options
	narrow, err := opener.OpenBucketURL(ctx, u)
	if err != nil {
		return nil, err
	}
	defer narrow.Close()
	var client *s3.Client
	if !narrow.As(&client) {
		return nil, errors.New("s3: the bucket has no S3 client")
	}
	return s3blob.OpenBucket(ctx, Client(client, calls), u.Host, &opener.Options)
}

// Client is client with enough connections for calls requests at once. A client of your own whose HTTP client is not the
// SDK's BuildableClient is returned as it is: see HTTPClient.
func Client(client *s3.Client, calls int) *s3.Client {
	options := client.Options()
	own, ok := options.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		return client
	}
	options.HTTPClient = roomy(own, calls)
	return s3.New(options)
}

// HTTPClient is the SDK's HTTP client with enough connections for calls requests at once, for config.WithHTTPClient.
func HTTPClient(calls int) aws.HTTPClient { return roomy(awshttp.NewBuildableClient(), calls) }

func roomy(client *awshttp.BuildableClient, calls int) *awshttp.BuildableClient {
	return client.WithTransportOptions(func(t *http.Transport) { conns.Widen(t, calls) })
}
