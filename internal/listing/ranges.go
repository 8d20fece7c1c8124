package listing

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"gocloud.dev/blob"
)

// Seek makes a request for the first page of the keys under prefix leave out those before key; key itself may come. as is
// what gocloud gives to ListOptions.BeforeList. It is false if the request is of another store.
type Seek func(as func(any) bool, prefix, key string) bool

// A Lister lists what is under a prefix in ranges of keys that can be cut while they are read. It reads every page from
// behind a key, without the store's tokens, so that a range is a plain value. It is safe for concurrent use; what it
// learns is for guesses only, so that several runs may share one.
type Lister struct {
	bucket *blob.Bucket
	prefix string
	seek   Seek

	mu       sync.Mutex // guards what follows
	alphabet alphabet
	tracks   map[*track]struct{}
	plans    map[string]*plan // of ranges that nobody reads yet, by start
	given    int              // pages
	seeks    seeking
}

// seeking is whether a store does start behind a key.
type seeking int

const (
	unproven seeking = iota
	proven
	ignored // it silently does not
)

// track is a range that is being read.
type track struct {
	start    string
	frontier string // the last key that the store has given
	path     path   // to frontier
	plan     *plan  // nil: it was not cut off from another
	pages    int    // it gave
	ended    bool   // the store has no more of it
}

// Range is the keys after From up to and including To; an empty To is the end.
type Range struct{ From, To string }

// New returns a Lister for the keys under prefix of a store that seek makes start behind a key.
func New(bucket *blob.Bucket, prefix string, seek Seek) *Lister {
	return &Lister{
		bucket: bucket, prefix: prefix, seek: seek, alphabet: alphabet{prefix: len(prefix)},
		tracks: map[*track]struct{}{}, plans: map[string]*plan{},
	}
}

// After yields the objects of a range in key order; end says where it ends now, and may come nearer.
func (l *Lister) After(ctx context.Context, after string, end func() string) iter.Seq2[*blob.ListObject, error] {
	return func(yield func(*blob.ListObject, error) bool) {
		t := l.begin(after)
		defer l.end(t)
		err := l.pages(ctx, t, end, func(o *blob.ListObject) bool { return yield(o, nil) })
		if errors.Is(err, errIgnored) {
			for object, err := range After(ctx, l.bucket, l.prefix, t.frontier) {
				if !yield(object, err) || err != nil {
					return
				}
			}
			return
		}
		if err != nil {
			yield(nil, fmt.Errorf("list %q: %w", l.prefix, err))
		}
	}
}

var errIgnored = errors.New("the store does not start behind a key")

// pages yields the range page by page.
func (l *Lister) pages(ctx context.Context, t *track, end func() string, yield func(*blob.ListObject) bool) error {
	at := t.start
	for {
		page, err := l.page(ctx, at, cloudPage)
		if err != nil {
			return err
		}
		to := end()
		own, over, err := within(page.objects, at, to)
		if err != nil {
			return err
		}
		over = over || page.next == nil
		l.learn(t, page.objects, over)
		for i, object := range own {
			own[i] = nil // what has been yielded need not stay in memory
			if !yield(object) {
				return nil
			}
		}
		if over || len(page.objects) == 0 {
			return nil
		}
		at = t.frontier
		if to := end(); to != "" && at >= to {
			return nil
		}
	}
}

// page gets the objects behind a key. One that lies before it shows that the store does not start there.
func (l *Lister) page(ctx context.Context, after string, size int) (page, error) {
	known := true
	options := blob.ListOptions{Prefix: l.prefix, BeforeList: func(as func(any) bool) error {
		if after != "" {
			known = l.seek(as, l.prefix, after)
		}
		return nil
	}}
	p := retryPage(ctx, func() page { return get(ctx, l.bucket, blob.FirstPageToken, size, &options) })
	if p.err != nil {
		return p, p.err
	}
	if known && len(p.objects) > 0 && p.objects[0].Key < after && !strange(p.objects[0].Key) || !known {
		l.prove(ignored)
		return p, errIgnored
	}
	if after != "" {
		l.prove(proven)
	}
	return p, nil
}

// within cuts a page to the keys after at and up to to, and reports whether it goes beyond. A key in the place of another
// is an error: it would be lost without a word.
func within(objects []*blob.ListObject, at, to string) (own []*blob.ListObject, over bool, err error) {
	if len(objects) > 0 && objects[0].Key == at {
		objects = objects[1:]
	}
	before := at
	for i, object := range objects {
		beyond := to != "" && object.Key > to
		if object.Key <= before && before != "" || beyond && strange(object.Key) {
			return nil, false, disorder(object.Key, before)
		}
		if beyond {
			return objects[:i], true, nil
		}
		before = object.Key
	}
	return objects, false, nil
}

func disorder(key, before string) error {
	return fmt.Errorf("key %q comes behind %q, which is not the order of their bytes: list it from the start with Listers 1", key, before)
}

func (l *Lister) prove(s seeking) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seeks = max(l.seeks, s)
}

func (l *Lister) begin(start string) *track {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &track{start: start, frontier: start, path: path{start: start}, plan: l.plans[start]}
	delete(l.plans, start)
	l.tracks[t] = struct{}{}
	return t
}

func (l *Lister) end(t *track) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.tracks, t)
}

// learn takes note of a page. Keys beyond the end of t tell as much about what keys are like.
func (l *Lister) learn(t *track, objects []*blob.ListObject, over bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(objects) > 0 && objects[0].Key == t.frontier {
		objects = objects[1:]
	}
	first := ""
	if n := len(objects); n > 0 {
		first, t.frontier = objects[0].Key, objects[n-1].Key
	}
	if t.pages == 0 && t.plan != nil {
		l.found(t.plan, t.start, first)
	}
	for _, object := range objects {
		t.path.step(&l.alphabet, object.Key)
	}
	t.pages++
	l.given++
	t.ended = over
}
