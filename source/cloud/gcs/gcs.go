// Package gcs opens buckets of Google Cloud Storage with enough connections, and describes the
// features of the service to source.Objects.
package gcs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"

	"cloud.google.com/go/storage"
	"gocloud.dev/blob"
	"gocloud.dev/blob/gcsblob"
	"gocloud.dev/gcp"
	"golang.org/x/oauth2/google"
	"google.golang.org/api/option"

	"github.com/go-dmap/dmap/source/cloud/internal/conns"
)

// Options configures OpenBucket. The zero value is valid.
type Options struct {
	// Calls is the number of concurrent requests, each with a connection of its own. Set it to
	// dmap.Options.MaxConcurrency. 0: 1,000.
	Calls int
}

// OpenBucket opens a URL such as "gs://my-bucket" like blob.OpenBucket, but with a client that
// keeps enough connections for Options.Calls. It accepts all parameters that gcsblob documents, and
// uses the application default credentials. Without credentials it fails, unless the URL contains
// anonymous=true. The bucket cannot sign URLs. The SDK repeats requests that the service could not
// answer for 8 s, but no uploads, and resumes a body that breaks off. STORAGE_EMULATOR_HOST is
// respected.
func OpenBucket(ctx context.Context, bucketURL string, options Options) (*blob.Bucket, error) {
	calls, err := conns.Calls(options.Calls)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(bucketURL)
	if err != nil {
		return nil, errors.New("gcs: the bucket's URL does not parse") // the URL may hold a secret
	}
	if u.Scheme != gcsblob.Scheme {
		return nil, fmt.Errorf("gcs: the bucket's URL has scheme %q: want %s", u.Scheme, gcsblob.Scheme)
	}
	opener, err := opener(ctx, u, checked{Transport(calls)})
	if err != nil {
		return nil, err
	}
	bucket, err := opener.OpenBucketURL(ctx, u)
	if err != nil {
		return nil, err
	}
	var client *storage.Client
	if bucket.As(&client) {
		limitRetries(client)
	}
	return bucket, nil
}

// opener returns an opener for u that uses transport. It removes the parameters from u that would
// make gcsblob choose another transport.
func opener(ctx context.Context, u *url.URL, transport http.RoundTripper) (*gcsblob.URLOpener, error) {
	query := u.Query()
	o := &gcsblob.URLOpener{Client: gcp.NewAnonymousHTTPClient(transport)}
	emulated := os.Getenv("STORAGE_EMULATOR_HOST") != ""
	anonymous, err := anonymous(query)
	switch {
	case err != nil:
		return nil, err
	case emulated: // gcsblob would use http.DefaultClient
		o.Options.ClientOptions = []option.ClientOption{option.WithHTTPClient(&http.Client{Transport: transport})}
	case anonymous && !overGRPC(query):
		query.Del("anonymous")
		query.Del("access_id")
	case !anonymous:
		domain := query.Get("universe_domain")
		creds, err := gcp.DefaultCredentialsWithParams(ctx, google.CredentialsParams{UniverseDomain: domain})
		if err != nil {
			return nil, fmt.Errorf("gcs: credentials: %w", err)
		}
		if o.Client, err = gcp.NewHTTPClient(transport, gcp.CredentialsTokenSource(creds)); err != nil {
			return nil, err
		}
		o.TokenSource = gcp.CredentialsTokenSource(creds)
		if domain != "" {
			o.Options.ClientOptions = []option.ClientOption{option.WithUniverseDomain(domain)}
		}
	}
	u.RawQuery = query.Encode()
	return o, nil
}

// anonymous reports whether a URL asks for no credentials, in either of the two forms of gcsblob.
func anonymous(query url.Values) (bool, error) {
	if query.Get("access_id") == "-" {
		return true, nil
	}
	value := query.Get("anonymous")
	if value == "" {
		return false, nil
	}
	is, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("gcs: the bucket's URL has anonymous=%s: want true or false", value)
	}
	return is, nil
}

// overGRPC reports whether a URL selects gRPC, which sends many calls over one connection.
func overGRPC(query url.Values) bool { return query.Has("grpc") || query.Has("zonal") }

// Transport returns a copy of http.DefaultTransport with enough connections for calls concurrent
// requests, for gcp.NewHTTPClient.
func Transport(calls int) *http.Transport { return conns.Transport(calls) }
