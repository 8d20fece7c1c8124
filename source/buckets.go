package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-dmap/dmap/dmap"
)

// buckets numbers the buckets of a source of objects, so that a split can name one as plain data.
// Several buckets are numbered by the Origins of the Plan, which are the same in every process. One
// bucket needs no number: it is that of the first object.
type buckets struct {
	objects dmap.Source[Object]
	origins []*origin // of the Plan

	finding chan struct{} // a lock for find, which does I/O; holds one token
	mu      sync.Mutex    // guards the fields below
	only    *origin       // without origins: that of an object; nil: not known yet
	listed  bool          // find has read all objects
}

func newBuckets(objects dmap.Source[Object], origins []any) *buckets {
	b := &buckets{objects: objects, finding: make(chan struct{}, 1)}
	for _, o := range origins {
		if known, ok := o.(*origin); ok {
			b.origins = append(b.origins, known)
		}
	}
	return b
}

var errBuckets = errors.New("it lies in another bucket than the objects before it, or than the Origins of their " +
	"Plan: flatten the objects of each bucket alone, and Concat the results")

// place returns the prefix of the ID of an object's split: empty if there is one bucket.
func (b *buckets) place(o Object) (string, error) {
	if o.from == nil && len(b.origins) > 1 {
		return "-/", nil
	}
	if o.from == nil {
		return "", nil
	}
	if len(b.origins) == 0 {
		if !b.note(o.from) {
			return "", fmt.Errorf("object %q: %w", o.Key, errBuckets)
		}
		return "", nil
	}
	i := slices.Index(b.origins, o.from)
	if i < 0 {
		i = slices.IndexFunc(b.origins, func(known *origin) bool { return known.bucket == o.from.bucket })
	}
	switch {
	case i < 0:
		return "", fmt.Errorf("object %q: %w", o.Key, errBuckets)
	case len(b.origins) == 1:
		return "", nil
	}
	return prefix(i), nil
}

// prefixes are those that place may return.
func (b *buckets) prefixes() []string {
	if len(b.origins) < 2 {
		return []string{""}
	}
	out := []string{"-/"}
	for i := range b.origins {
		out = append(out, prefix(i))
	}
	return out
}

// note records the bucket of an object. It returns false if another one is known.
func (b *buckets) note(from *origin) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.only == nil {
		b.only = from
	}
	return b.only.bucket == from.bucket
}

// of returns the origin of the object of a split.
func (b *buckets) of(ctx context.Context, s dmap.Split) (*origin, error) {
	switch len(b.origins) {
	case 0:
		return b.find(ctx, s)
	case 1:
		return b.origins[0], nil
	}
	position, _, _ := strings.Cut(s.ID, "/")
	i, err := strconv.Atoi(position)
	if err != nil || i < 0 || i >= len(b.origins) {
		return nil, unknownSplit(s)
	}
	return b.origins[i], nil
}

// find returns the only bucket, and lists the objects up to the first that has one if no object of
// this process is known: the split comes from another process.
func (b *buckets) find(ctx context.Context, s dmap.Split) (*origin, error) {
	if only, listed := b.known(); only != nil || listed {
		return orUnknown(only, s)
	}
	select { // not a Mutex: a goroutine that waits for one stops the clock of testing/synctest
	case b.finding <- struct{}{}:
		defer func() { <-b.finding }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if only, listed := b.known(); only != nil || listed {
		return orUnknown(only, s)
	}
	for item, err := range b.objects.Items(ctx) {
		if err != nil {
			return nil, err
		}
		if item.Value.from != nil {
			b.note(item.Value.from)
			return item.Value.from, nil
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.listed = true
	return nil, unknownSplit(s)
}

func (b *buckets) known() (only *origin, listed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.only, b.listed
}

func orUnknown(o *origin, s dmap.Split) (*origin, error) {
	if o == nil {
		return nil, unknownSplit(s)
	}
	return o, nil
}
