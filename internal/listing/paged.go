package listing

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"sync/atomic"

	"gocloud.dev/blob"
)

// Pages of other stores. Clouds give at most 1,000 or 5,000 keys an answer, and a larger page makes the first key wait
// for many of them; a bucket in memory sorts all its keys for every page.
const (
	cloudPage  = 1000
	memoryPage = 100_000
)

// pager asks for pages. A bucket in memory, whose token is the last key of the page, is known by not calling BeforeList,
// which stands for a request.
type pager struct {
	bucket  *blob.Bucket
	options blob.ListOptions
	remote  atomic.Bool // BeforeList was called
}

// page is what one request gave.
type page struct {
	objects []*blob.ListObject
	next    []byte // nil: it is the last
	err     error
	final   bool // err will not go away
}

// paged lists a store page by page; the next page is fetched while one is consumed.
func paged(ctx context.Context, bucket *blob.Bucket, prefix, after string) iter.Seq2[*blob.ListObject, error] {
	return func(yield func(*blob.ListObject, error) bool) {
		p := &pager{bucket: bucket}
		p.options = blob.ListOptions{Prefix: prefix, BeforeList: func(func(any) bool) error {
			p.remote.Store(true)
			return nil
		}}
		ctx, cancel := context.WithCancel(ctx)
		var next <-chan page
		defer func() {
			cancel()
			if next != nil {
				<-next
			}
		}()
		for current := p.first(ctx, after); ; {
			if current.next != nil {
				next = p.ahead(ctx, current)
			}
			for _, object := range current.objects {
				if !yield(object, nil) {
					return
				}
			}
			if current.err != nil {
				yield(nil, current.err)
			}
			if next == nil {
				return
			}
			current, next = <-next, nil
		}
	}
}

// ahead fetches the page behind current in a goroutine that ends by handing it over.
func (p *pager) ahead(ctx context.Context, current page) <-chan page {
	next := make(chan page, 1)
	go func() { next <- p.get(ctx, current.next, p.size(current)) }()
	return next
}

func (p *pager) get(ctx context.Context, token []byte, size int) page {
	return retryPage(ctx, func() page {
		got := get(ctx, p.bucket, token, size, &p.options)
		got.final = !p.remote.Load() // nothing changes by asking memory again
		return got
	})
}

// get asks for a page once.
func get(ctx context.Context, bucket *blob.Bucket, token []byte, size int, options *blob.ListOptions) page {
	if ctx.Err() != nil {
		return page{err: context.Cause(ctx), final: true} // drivers in memory do not look
	}
	objects, next, err := bucket.ListPage(ctx, token, size, options)
	if err != nil || len(next) == 0 {
		next = nil
	}
	return page{objects: objects, next: next, err: err}
}

// first gets the first page, and from a bucket in memory that has more the one after a key instead.
func (p *pager) first(ctx context.Context, after string) page {
	first := p.get(ctx, blob.FirstPageToken, cloudPage)
	if after == "" || !p.seekable(first) {
		return first
	}
	before := bytes.TrimSuffix(first.next, []byte(last(first))) // a prefixed bucket's tokens are keys of the one below
	return p.get(ctx, slices.Concat(before, []byte(after)), memoryPage)
}

func (p *pager) size(current page) int {
	if p.seekable(current) {
		return memoryPage
	}
	return cloudPage
}

// seekable reports whether the token of a page is its last key.
func (p *pager) seekable(current page) bool {
	return !p.remote.Load() && len(current.objects) > 0 && bytes.HasSuffix(current.next, []byte(last(current)))
}

func last(p page) string { return p.objects[len(p.objects)-1].Key }
