package listing

import (
	"context"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/transient"
)

// cloudPage is the number of keys to ask a cloud for. Clouds answer with at most 1,000 or 5,000
// keys, and for a larger page the driver would collect several answers before the first key can be
// used.
const cloudPage = 1000

// page is the result of one request.
type page struct {
	objects []*blob.ListObject
	next    []byte // token of the next page; nil: this is the last
	err     error
	final   bool // err comes again
}

// lastKey returns the key of the last object. The page must not be empty.
func (p page) lastKey() string { return p.objects[len(p.objects)-1].Key }

// fetchPage makes one request.
func fetchPage(ctx context.Context, bucket *blob.Bucket, token []byte, size int, options *blob.ListOptions) page {
	if ctx.Err() != nil { // drivers in memory do not check it
		return page{err: context.Cause(ctx), final: true}
	}
	objects, next, err := bucket.ListPage(ctx, token, size, options)
	if err != nil || len(next) == 0 {
		next = nil
	}
	return page{objects: objects, next: next, err: err}
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
		Backoff:  transient.Backoff{First: firstWait},
		Again:    func(err error) bool { return !p.final && transient.Classify(err) != transient.Permanent },
	}
	_, _ = retry.Do(ctx, func() error { // the page carries the error
		p = fetch()
		return p.err
	})
	return p
}
