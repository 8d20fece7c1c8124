package listing

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/transient"
)

// Seek makes a request for the first page under prefix leave out the keys before key; key itself
// may come. as is the function that gocloud passes to ListOptions.BeforeList. Seek returns false if
// the request is of another store.
type Seek func(as func(any) bool, prefix, key string) bool

// A Lister lists the keys under a prefix in ranges that can be split while they are read. It reads
// every page from after a key, without the store's tokens, so that a range is a plain value. It is
// safe for concurrent use. Knowledge gathered from keys only improves guesses, so several runs may
// share one.
type Lister struct {
	bucket  *blob.Bucket
	prefix  string
	seek    Seek
	options Options

	mu         sync.Mutex // guards what follows
	alphabet   alphabet
	readers    map[*reader]struct{}
	lastReader int              // number of the reader that started last
	plans      map[string]*plan // of the ranges that no reader has started yet, by start
	pages      int              // read by all readers
	budget     budget
	seeking    seeking
	manyBytes  bool // some letters of keys have
}

// seeking says whether the store starts listings after a key.
type seeking int

const (
	unproven seeking = iota
	proven
	ignored // the store silently starts at the first key
)

// reader is the state of a range that is being read.
type reader struct {
	number   int
	start    string
	frontier string // the last key that the store has returned
	path     path   // of the keys up to frontier
	plan     *plan  // nil: the range was not split off from another
	pages    int    // read
	ended    bool   // the store has no more keys of the range
}

// Range is the keys after From up to and including To. An empty To is the end of the listing.
type Range struct{ From, To string }

// New returns a Lister for the keys under prefix of a store that seek makes start after a key.
func New(bucket *blob.Bucket, prefix string, seek Seek, options ...Options) *Lister {
	return &Lister{
		bucket: bucket, prefix: prefix, seek: seek, options: first(options), alphabet: alphabet{prefixLen: len(prefix)},
		readers: map[*reader]struct{}{}, plans: map[string]*plan{},
	}
}

// After yields the objects with keys greater than after, in key order, up to and including the key
// that end returns. It calls end before and after it yields a page, on its own goroutine; the key
// may become smaller meanwhile.
func (l *Lister) After(ctx context.Context, after string, end func() string) iter.Seq2[*blob.ListObject, error] {
	return func(yield func(*blob.ListObject, error) bool) {
		r := l.startReader(after)
		defer l.endReader(r)
		err := l.readPages(ctx, r, end, func(o *blob.ListObject) bool { return yield(o, nil) })
		if errors.Is(err, errNotSeekable) {
			for object, err := range After(ctx, l.bucket, l.prefix, r.frontier, l.options) {
				if !yield(object, err) || object == nil {
					return
				}
			}
			return
		}
		if err != nil {
			yield(nil, transient.Explain(fmt.Errorf("list %q: %w", l.prefix, err)))
		}
	}
}

// errNotSeekable makes After list the rest of its range by tokens, up to the end of the listing.
// The caller stops at the end that the range had when it was started: no range is split before
// seeking is proven.
var errNotSeekable = errors.New("the store does not start a listing after a key")

// readPages yields the range of r page by page.
func (l *Lister) readPages(ctx context.Context, r *reader, end func() string, yield func(*blob.ListObject) bool) error {
	at := r.start
	promised := "" // the key before the last one of a page that others must follow
	for {
		page, err := l.pageAfter(ctx, at)
		if err == nil && promised != "" && page.next == nil && endsAt(page.objects, at) {
			page, err = l.checkEnd(ctx, promised, at)
		}
		if err != nil {
			return err
		}
		if promised = ""; page.next != nil && len(page.objects) > 1 {
			promised = page.objects[len(page.objects)-2].Key
		}
		to := end()
		own, ended, err := ownStored(page.objects, at, to, l.options.Stored != nil)
		if err != nil {
			return err
		}
		ended = ended || page.next == nil && len(page.objects) < cloudPage // a full page may have lost its token
		l.learn(r, page.objects, len(own), ended)
		for i, object := range own {
			own[i] = nil // the caller may drop it before the page is used up
			if !yield(object) {
				return nil
			}
		}
		if ended || len(page.objects) == 0 {
			return nil
		}
		at = r.frontier
		if to := end(); to != "" && at >= to {
			return nil
		}
	}
}

// endsAt reports whether no object follows key.
func endsAt(objects []*blob.ListObject, key string) bool {
	return len(objects) == 0 || len(objects) == 1 && objects[0].Key == key
}

// checkEnd finds out whether a listing ends at a key, after which the store had said that others
// follow: asked for what follows the key before, it must list the key. checkEnd returns a page of
// the objects that follow it.
func (l *Lister) checkEnd(ctx context.Context, before, key string) (page, error) {
	p, err := l.pageAfter(ctx, before)
	if err != nil {
		return p, err
	}
	at := slices.IndexFunc(p.objects, func(o *blob.ListObject) bool { return o.Key == key })
	if at < 0 && p.next == nil && endsAt(p.objects, before) {
		return p, errEndsEarly
	}
	p.objects = p.objects[at+1:]
	return p, nil
}

// pageAfter fetches the objects after a key. An object before that key shows that the store ignores
// it.
func (l *Lister) pageAfter(ctx context.Context, after string) (page, error) {
	known := true // the request is of the store that seek is for
	list := blob.ListOptions{Prefix: l.prefix, BeforeList: func(as func(any) bool) error {
		if after != "" {
			known = l.seek(as, l.prefix, after)
		} else if l.options.Before != nil {
			l.options.Before(as)
		}
		return nil
	}}
	p := retryPage(ctx, func() page { return l.options.fetchPage(ctx, l.bucket, blob.FirstPageToken, cloudPage, &list) })
	if p.err != nil {
		return p, p.err
	}
	if !known || len(p.objects) > 0 && p.objects[0].Key < after && !mayBeMoved(p.objects[0].Key) {
		l.setSeeking(ignored)
		return p, errNotSeekable
	}
	if after != "" {
		l.setSeeking(proven)
	}
	return p, nil
}

func (l *Lister) setSeeking(s seeking) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seeking = max(l.seeking, s)
}

func (l *Lister) startReader(start string) *reader {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastReader++
	r := &reader{number: l.lastReader, start: start, frontier: start, path: path{start: start}, plan: l.plans[start]}
	delete(l.plans, start)
	l.readers[r] = struct{}{}
	return r
}

func (l *Lister) endReader(r *reader) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.readers, r)
}

// unanswered is the number of ranges whose readers wait for their first page. The caller holds mu.
func (l *Lister) unanswered() int {
	n := 0
	for r := range l.readers {
		if r.pages == 0 {
			n++
		}
	}
	return n
}

// learn records a page of r, of which own objects are in its range. The keys beyond the end of the
// range count too: they show the same about keys.
func (l *Lister) learn(r *reader, objects []*blob.ListObject, own int, ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.budget.count(own)
	if len(objects) > 0 && objects[0].Key == r.frontier {
		objects = objects[1:]
	}
	first := ""
	if n := len(objects); n > 0 {
		first, r.frontier = objects[0].Key, objects[n-1].Key
		l.manyBytes = l.manyBytes || !ascii(first) || !ascii(r.frontier)
	}
	if r.pages == 0 && r.plan != nil {
		r.plan.learn(&l.alphabet, r.start, first)
	}
	for _, object := range objects {
		r.path.advance(&l.alphabet, object.Key)
	}
	r.pages++
	l.pages++
	r.ended = ended
}

// ascii reports whether a key has bytes of ASCII only.
func ascii(key string) bool {
	for i := range len(key) {
		if key[i] >= 0x80 {
			return false
		}
	}
	return true
}
