package listing

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"sync/atomic"

	"gocloud.dev/blob"
)

// memoryPage is the page size for a bucket in memory, which sorts all its keys for every page.
const memoryPage = 100_000

// pager fetches the pages of one prefix, each by the token of the page before. It recognizes a
// bucket in memory, where the token is the last key of the page, by a driver that does not call
// BeforeList: other drivers call it before a request.
type pager struct {
	bucket  *blob.Bucket
	list    blob.ListOptions
	options Options
	remote  atomic.Bool // BeforeList was called
}

// paged lists a store page by page. It fetches the next page while the caller uses the current one.
func paged(ctx context.Context, bucket *blob.Bucket, prefix, after string, options Options) iter.Seq2[*blob.ListObject, error] {
	return func(yield func(*blob.ListObject, error) bool) {
		p := &pager{bucket: bucket, options: options}
		p.list = blob.ListOptions{Prefix: prefix, BeforeList: func(as func(any) bool) error {
			p.remote.Store(true)
			if options.Before != nil {
				options.Before(as)
			}
			return nil
		}}
		if err := p.each(ctx, after, func(o *blob.ListObject) bool { return yield(o, nil) }); err != nil {
			yield(nil, err)
		}
	}
}

// each yields the objects of all pages until yield returns false.
func (p *pager) each(ctx context.Context, after string, yield func(*blob.ListObject) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	var next <-chan page // nil: no request is under way
	defer func() {
		cancel()
		if next != nil {
			<-next
		}
	}()
	var last page // the last one with objects
	var tokens cycle
	for current := p.firstPage(ctx, after); ; {
		if current.next != nil && tokens.closes(current.next) {
			return errors.New("the store repeats the tokens of its pages")
		}
		if current.next != nil {
			next = p.prefetch(ctx, current)
		}
		for _, object := range current.objects {
			if !yield(object) {
				return nil
			}
		}
		if len(current.objects) > 0 {
			last = current
		}
		switch {
		case current.err != nil:
			return current.err
		case next != nil:
			current, next = <-next, nil
		case p.endIsDoubtful(current):
			current = p.checkEnd(ctx, last)
			if len(current.objects) == 0 && current.next == nil {
				return current.err
			}
		default:
			return nil
		}
	}
}

// endIsDoubtful reports whether a last page may have lost its token or its keys.
func (p *pager) endIsDoubtful(last page) bool {
	return p.remote.Load() && (len(last.objects) == 0 || len(last.objects) == cloudPage)
}

// prefetch fetches the page after current. Its goroutine ends when the page is in the channel,
// which has room for it.
func (p *pager) prefetch(ctx context.Context, current page) <-chan page {
	next := make(chan page, 1)
	go func() { next <- p.fetch(ctx, current.next, p.sizeAfter(current)) }()
	return next
}

func (p *pager) fetch(ctx context.Context, token []byte, size int) page {
	return retryPage(ctx, func() page {
		got := p.options.fetchPage(ctx, p.bucket, token, size, &p.list)
		got.final = got.final || !p.remote.Load() // memory gives the same answer again
		return got
	})
}

// firstPage fetches the first page. A bucket in memory is asked to start after a key, if one page
// does not hold all.
func (p *pager) firstPage(ctx context.Context, after string) page {
	first := p.fetch(ctx, blob.FirstPageToken, cloudPage)
	if after == "" || !p.seekable(first) {
		return first
	}
	// A prefixed bucket's tokens are keys of the bucket below it: they start with the prefix.
	before := bytes.TrimSuffix(first.next, []byte(first.lastKey()))
	return p.fetch(ctx, slices.Concat(before, []byte(after)), memoryPage)
}

func (p *pager) sizeAfter(current page) int {
	if p.seekable(current) {
		return memoryPage
	}
	return cloudPage
}

// seekable reports whether the token of a page is its last key.
func (p *pager) seekable(current page) bool {
	return !p.remote.Load() && len(current.objects) > 0 && bytes.HasSuffix(current.next, []byte(current.lastKey()))
}

// errEndsEarly says that the store said that nothing follows, and showed that it does.
var errEndsEarly = errors.New("the listing ends before a key that the store has listed: its last answer has no token, or no keys")

// checkEnd finds out whether a listing ends after last, its last page with objects. An answer
// without a token may be one that has lost it, and one without keys may have lost all. So the store
// is asked for all but the last object of that page: it must say that something follows, and that
// must be this object. checkEnd returns a page of the objects that follow it.
//
// It costs two requests, and is called only where the end is doubtful: after a full page, which few
// listings end with, and after an empty one.
func (p *pager) checkEnd(ctx context.Context, last page) page {
	n := len(last.objects)
	if n < 2 {
		return page{}
	}
	key := last.lastKey()
	is := func(o *blob.ListObject) bool { return o.Key == key }
	before := p.fetch(ctx, last.token, n-1)
	if before.err != nil {
		return before
	}
	if before.next == nil {
		if slices.ContainsFunc(before.objects, is) { // the store gives as much as it wants to
			return page{}
		}
		return page{err: errEndsEarly}
	}
	rest := p.fetch(ctx, before.next, cloudPage)
	if rest.err == nil && len(rest.objects) == 0 {
		return page{err: errEndsEarly}
	}
	if i := slices.IndexFunc(rest.objects, is); i >= 0 {
		rest.objects = rest.objects[i+1:]
	}
	return rest
}
