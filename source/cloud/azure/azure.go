// Package azure opens containers of Azure Blob Storage with enough connections and tells source.Objects what it can do.
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

// Options of OpenBucket. The zero value is valid.
type Options struct {
	// Calls is how many requests run at once: dmap.Options.MaxConcurrency. Each keeps a connection. 0: 1,000.
	Calls int
}

// OpenBucket opens a URL such as "azblob://my-container" as blob.OpenBucket does, with all parameters and environment
// variables that azureblob documents, but with a client that keeps enough connections for Options.Calls. The SDK makes four
// attempts of each request; it retries no body that breaks off, which source.Object does.
func OpenBucket(ctx context.Context, bucketURL string, options Options) (*blob.Bucket, error) {
	calls, err := conns.Calls(options.Calls)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(bucketURL)
	if err != nil {
		return nil, errors.New("azure: the bucket's URL does not parse") // it is not repeated, as it may hold a secret
	}
	if u.Scheme != azureblob.Scheme {
		return nil, fmt.Errorf("azure: scheme %q: want %s", u.Scheme, azureblob.Scheme)
	}
	account := fromEnvironment()
	opener := &azureblob.URLOpener{
		MakeClient:        account.client(&http.Client{Transport: Transport(calls)}),
		ServiceURLOptions: account.service,
	}
	return opener.OpenBucketURL(ctx, u)
}

// Transport is http.DefaultTransport with enough connections for calls requests at once: an http.Client with it goes into
// azcore's ClientOptions.Transport.
func Transport(calls int) *http.Transport { return conns.Transport(calls) }

// sameOrigin reports whether two addresses are of one service.
func sameOrigin(a, b azureblob.ServiceURL) bool {
	x, err := url.Parse(string(a))
	if err != nil {
		return false
	}
	y, err := url.Parse(string(b))
	return err == nil && strings.EqualFold(x.Scheme, y.Scheme) && strings.EqualFold(x.Host, y.Host)
}
