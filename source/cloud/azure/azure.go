// Package azure opens containers of Azure Blob Storage with enough connections, and describes the
// features of the service to source.Objects.
package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/blob/azureblob"

	"github.com/go-dmap/dmap/source/cloud/internal/conns"
)

// Options configures OpenBucket. The zero value is valid.
type Options struct {
	// Calls is the number of concurrent requests, each with a connection of its own. Set it to
	// dmap.Options.MaxConcurrency. 0: 1,000.
	Calls int
}

// OpenBucket opens a URL such as "azblob://my-container" like blob.OpenBucket, but with a client
// that keeps enough connections for Options.Calls. It accepts all parameters and environment
// variables that azureblob documents. The SDK makes up to four attempts of each request. It does
// not retry a body that breaks off; source.Object does.
func OpenBucket(ctx context.Context, bucketURL string, options Options) (*blob.Bucket, error) {
	calls, err := conns.Calls(options.Calls)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(bucketURL)
	if err != nil {
		return nil, errors.New("azure: the bucket's URL does not parse") // the URL may hold a secret
	}
	if u.Scheme != azureblob.Scheme {
		return nil, fmt.Errorf("azure: the bucket's URL has scheme %q: want %s", u.Scheme, azureblob.Scheme)
	}
	account := fromEnvironment()
	opener := &azureblob.URLOpener{
		MakeClient:        account.client(&http.Client{Transport: Transport(calls)}),
		ServiceURLOptions: account.service,
	}
	return opener.OpenBucketURL(ctx, u)
}

// Transport returns a copy of http.DefaultTransport with enough connections for calls concurrent
// requests. An http.Client that uses it can be set as ClientOptions.Transport of azcore.
func Transport(calls int) *http.Transport { return conns.Transport(calls) }

// sameOrigin reports whether two addresses have the same scheme and host.
func sameOrigin(a, b azureblob.ServiceURL) bool {
	x, err := url.Parse(string(a))
	if err != nil {
		return false
	}
	y, err := url.Parse(string(b))
	return err == nil && strings.EqualFold(x.Scheme, y.Scheme) && strings.EqualFold(x.Host, y.Host)
}
