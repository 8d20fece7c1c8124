package listing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/requests"
	"github.com/go-dmap/dmap/internal/throttle"
	"github.com/go-dmap/dmap/internal/transient"
)

// cloudPage is the number of keys to ask a cloud for. Clouds answer with at most 1,000 or 5,000
// keys, and for a larger page the driver would collect several answers before the first key can be
// used.
const cloudPage = 1000

// page is the result of one request.
type page struct {
	token   []byte // of this page
	objects []*blob.ListObject
	next    []byte // token of the next page; nil: this is the last
	err     error
	final   bool // err comes again
}

// lastKey returns the key of the last object. The page must not be empty.
func (p page) lastKey() string { return p.objects[len(p.objects)-1].Key }

// fetchPage makes one request, and checks the answer as far as one page shows.
func (o Options) fetchPage(ctx context.Context, bucket *blob.Bucket, token []byte, size int, list *blob.ListOptions) (p page) {
	if ctx.Err() != nil { // drivers in memory do not check it
		return page{err: context.Cause(ctx), final: true}
	}
	p.token = token
	p.err = requests.Listing(ctx).Do(ctx, func() (err error) {
		limit := transient.NewLimit(ctx, o.stall())
		p.objects, p.next, err = listPage(limit, bucket, token, size, list)
		return limit.End(err)
	})
	if p.err == nil {
		p.err = checkPage(p, list.Prefix)
	}
	if p.err != nil {
		return page{err: p.err}
	}
	if len(p.next) == 0 {
		p.next = nil
	}
	o.name(p.objects)
	return p
}

// listPage is Bucket.ListPage, whose drivers panic at some answers, as those of objects without a
// time.
func listPage(ctx context.Context, bucket *blob.Bucket, token []byte, size int, list *blob.ListOptions) (objects []*blob.ListObject, next []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the bucket's driver does not understand the answer: panic: %v\n%s", p, debug.Stack())
		}
	}()
	return bucket.ListPage(ctx, token, size, list)
}

// checkPage returns an error for an answer that cannot be right.
func checkPage(p page, prefix string) error {
	if len(p.next) > 0 && bytes.Equal(p.next, p.token) {
		return errors.New("the store repeats the token of a page")
	}
	for _, object := range p.objects {
		if !strings.HasPrefix(object.Key, prefix) {
			return fmt.Errorf("the store lists key %q, which does not have the prefix", object.Key)
		}
	}
	return nil
}

// A page that fails would end a run of millions of objects. The SDKs of the clouds try three times
// within about a second; a busy store may need longer.
const (
	pageAttempts = 6
	firstWait    = 250 * time.Millisecond
)

// retryPage calls fetch until the page comes, fails for good, or has failed pageAttempts times. It
// repeats unexplained errors too: another request changes nothing in the store, and GCS and Azure
// do not explain most of their errors.
func retryPage(ctx context.Context, fetch func() page) (p page) {
	retry := transient.Retry{
		Attempts: pageAttempts,
		Patience: transient.Patience,
		Backoff:  transient.Backoff{First: firstWait, Max: transient.LongestThrottledWait},
		Free:     throttle.Is,
		Again: func(err error) bool {
			return !p.final && (errors.Is(err, transient.ErrStalled) || transient.Classify(err) != transient.Permanent)
		},
	}
	_, _ = retry.Do(ctx, func() error { // the page carries the error
		p = fetch()
		return p.err
	})
	return p
}
