package dmapweb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
)

// Options configure a Page. The zero value is a page of the runs of this process, that changes
// nothing, for requests to this host by its address or as localhost.
type Options struct {
	// Bucket and Prefix are those that sink.Bucket gets: the page then shows the runs in it, also
	// those of other processes, and the failed items of runs of this process. The page closes no
	// bucket. nil: only runs of this process.
	Bucket *blob.Bucket
	Prefix string

	// Authorize decides about a request that changes something, such as a pause: an error refuses
	// it, and the reader sees its text. It also gets GET requests, which ask whether to show
	// controls. Compare secrets in constant time, such as by crypto/subtle. It is called from many
	// goroutines. nil: the page has no controls.
	Authorize func(*http.Request) error

	// Redrive starts a redrive of a run in Bucket, with the function and the options of the host
	// and with the Options.Redrive given, and returns when it has begun, or with the reason why
	// not. Its context ends with the request: a run that is to outlive it needs
	// context.WithoutCancel. It is called after Authorize. nil: the page shows which items a
	// redrive would take, and runs none.
	Redrive func(ctx context.Context, runID string, redrive dmap.Redrive) error

	// Hosts are names by which the page is reached, such as "jobs.example.com", without port.
	// Requests to any other name are refused, so that no page of another site can read this one by
	// a name of its own (DNS rebinding). IP addresses and localhost are always allowed.
	Hosts []string

	// Payloads shows inputs and outputs of items. Otherwise the page has their keys, errors and
	// times alone.
	Payloads bool
	// Redact returns what the page shows in place of the key of an item, such as a hash of it. It
	// is called from many goroutines. nil: runs of this process are shown with their
	// Options.Redact.Key, other ones with their keys.
	Redact func(key string) string

	// Total returns the number of items that a run will have, for its share and end while its
	// source is still read. nil, or a result of 0: not known.
	Total func(runID string) int64

	// Logger gets a line for each change that a reader makes, and for errors of the page. nil:
	// none.
	Logger *slog.Logger
}

func (o Options) validate() error {
	var errs []error
	if o.Prefix != "" && o.Bucket == nil {
		errs = append(errs, errors.New("dmapweb: Options.Prefix has no effect without Bucket"))
	}
	if o.Redrive != nil && o.Authorize == nil {
		errs = append(errs, errors.New("dmapweb: Options.Redrive needs Authorize: otherwise every reader could start a redrive"))
	}
	if o.Redrive != nil && o.Bucket == nil {
		errs = append(errs, errors.New("dmapweb: Options.Redrive needs Bucket: only a run in a bucket can be redriven"))
	}
	for _, host := range o.Hosts {
		if host == "" || strings.ContainsAny(host, "/:*@ ") {
			errs = append(errs, fmt.Errorf("dmapweb: Options.Hosts %q: want a name without scheme, port and wildcard, such as jobs.example.com", host))
		}
	}
	return errors.Join(errs...)
}

// LocalOnly is an Options.Authorize for programs on the reader's own machine: it allows requests
// from a loopback address that no proxy has passed on. Anybody with an account on the machine may
// make them.
func LocalOnly(r *http.Request) error {
	for _, header := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if r.Header.Get(header) != "" {
			return errors.New("controls are for this machine only, and the request came through a proxy")
		}
	}
	if !isLoopback(r.RemoteAddr) {
		return errors.New("controls are for this machine only")
	}
	return nil
}
