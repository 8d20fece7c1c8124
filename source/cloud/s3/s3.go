// Package s3 opens S3 buckets with enough connections, and describes the features of S3 to
// source.Objects.
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

// Options configures OpenBucket. The zero value is valid.
type Options struct {
	// Calls is the number of concurrent requests, each with a connection of its own. Set it to
	// dmap.Options.MaxConcurrency. 0: 1,000.
	Calls int
}

// OpenBucket opens a URL such as "s3://my-bucket?region=eu-central-1" like blob.OpenBucket, but
// with a client that keeps enough connections for Options.Calls. It accepts all parameters that
// s3blob documents, and uses the default AWS configuration (environment, shared files, roles). The
// SDK makes up to three attempts of each request, as with blob.OpenBucket, but none after an answer
// by which S3 throttles, such as SlowDown: dmap repeats those, and slows down. The SDK does not
// retry a body that breaks off; source.Object does.
func OpenBucket(ctx context.Context, bucketURL string, options Options) (*blob.Bucket, error) {
	calls, err := conns.Calls(options.Calls)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(bucketURL)
	if err != nil {
		return nil, errors.New("s3: the bucket's URL does not parse") // the URL may hold a secret
	}
	if u.Scheme != s3blob.Scheme {
		return nil, fmt.Errorf("s3: the bucket's URL has scheme %q: want %s", u.Scheme, s3blob.Scheme)
	}
	opener := new(s3blob.URLOpener) // its Options are set from the parameters of the URL
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

// Client returns a copy of client with enough connections for calls concurrent requests, whose
// listings fail where an answer is no listing, or has lost its token, and which does not repeat
// requests that S3 throttles. It returns client itself if its HTTP client is not the SDK's
// BuildableClient: see HTTPClient.
func Client(client *s3.Client, calls int) *s3.Client {
	options := client.Options()
	checked(&options)
	own, ok := options.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		return client
	}
	options.HTTPClient = widen(own, calls)
	options.Retryer = openRetryer{options.Retryer} // every client has one
	return s3.New(options)
}

// HTTPClient returns the SDK's HTTP client with enough connections for calls concurrent requests,
// for config.WithHTTPClient.
func HTTPClient(calls int) aws.HTTPClient { return widen(awshttp.NewBuildableClient(), calls) }

func widen(client *awshttp.BuildableClient, calls int) *awshttp.BuildableClient {
	return client.WithTransportOptions(func(t *http.Transport) { conns.Widen(t, calls) })
}
