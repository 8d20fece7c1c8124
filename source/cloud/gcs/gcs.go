// Package gcs opens buckets of Google Cloud Storage with enough connections and tells source.Objects what it can do.
package gcs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"

	"gocloud.dev/blob"
	"gocloud.dev/blob/gcsblob"
	"gocloud.dev/gcp"
	"golang.org/x/oauth2/google"
	"google.golang.org/api/option"

	"github.com/go-dmap/dmap/source/cloud/internal/conns"
)

// Options of OpenBucket. The zero value is valid.
type Options struct {
	// Calls is how many requests run at once: dmap.Options.MaxConcurrency. Each keeps a connection. 0: 1,000.
	Calls int
}

// OpenBucket opens a URL such as "gs://my-bucket" as blob.OpenBucket does, with all parameters that gcsblob documents and
// the application default credentials, but with a client that keeps enough connections for Options.Calls. It fails if there
// are no credentials, unless the URL says anonymous=true. It cannot sign URLs. The SDK repeats reads and listings that fail
// until the context ends, and goes on with a body that breaks off. STORAGE_EMULATOR_HOST is heeded.
func OpenBucket(ctx context.Context, bucketURL string, options Options) (*blob.Bucket, error) {
	calls, err := conns.Calls(options.Calls)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(bucketURL)
	if err != nil {
		return nil, errors.New("gcs: the bucket's URL does not parse") // it is not repeated, as it may hold a secret
	}
	if u.Scheme != gcsblob.Scheme {
		return nil, fmt.Errorf("gcs: scheme %q: want %s", u.Scheme, gcsblob.Scheme)
	}
	opener, err := opener(ctx, u, Transport(calls))
	if err != nil {
		return nil, err
	}
	return opener.OpenBucketURL(ctx, u)
}

// opener makes what opens u over transport, and takes from u what would bring another transport.
func opener(ctx context.Context, u *url.URL, transport *http.Transport) (*gcsblob.URLOpener, error) {
	query := u.Query()
	o := &gcsblob.URLOpener{Client: gcp.NewAnonymousHTTPClient(transport)}
	emulated := os.Getenv("STORAGE_EMULATOR_HOST") != ""
	anonymous, err := anonymous(query)
	switch {
	case err != nil:
		return nil, err
	case emulated: // gcsblob would take http.DefaultClient
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

// anonymous reports whether a URL wants no credentials, in either of the ways that gcsblob knows.
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
		return false, fmt.Errorf("gcs: anonymous=%s in the bucket's URL: want true or false", value)
	}
	return is, nil
}

// overGRPC reports whether a URL wants the other protocol, which has one connection for many calls.
func overGRPC(query url.Values) bool { return query.Has("grpc") || query.Has("zonal") }

// Transport is http.DefaultTransport with enough connections for calls requests at once, for gcp.NewHTTPClient.
func Transport(calls int) *http.Transport { return conns.Transport(calls) }
