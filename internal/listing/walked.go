package listing

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"gocloud.dev/blob"
)

// Pages of a folder. One that holds all there is costs one walk; a larger directory is asked for again with the next size.
const (
	wholePage = 32 << 10 // a subtree of so many files is listed at once, about 700 bytes each
	pageGrows = 64
)

// walked lists a folder of files directory by directory, depth first, each sorted by key: that is key order. Memory is
// bounded by the largest directory, or the largest subtree that fits one page.
func walked(ctx context.Context, bucket *blob.Bucket, prefix, after string) iter.Seq2[*blob.ListObject, error] {
	return func(yield func(*blob.ListObject, error) bool) {
		w := walk{ctx: ctx, bucket: bucket, after: after, yield: yield}
		w.subtree(prefix, false)
	}
}

// walk is one pass over a folder, on the goroutine of the one who ranges over it.
type walk struct {
	ctx    context.Context
	bucket *blob.Bucket
	after  string
	yield  func(*blob.ListObject, error) bool
}

// subtree yields all under prefix and reports whether to go on. large says that it is known not to fit one page.
func (w *walk) subtree(prefix string, large bool) bool {
	if !large {
		objects, whole, err := w.list(&blob.ListOptions{Prefix: prefix}, wholePage)
		if err != nil {
			return w.failed(err)
		}
		if whole {
			return w.each(objects, false)
		}
	}
	for size := wholePage; ; size *= pageGrows {
		objects, whole, err := w.list(&blob.ListOptions{Prefix: prefix, Delimiter: "/"}, size)
		if err != nil {
			return w.failed(err)
		}
		if whole {
			return w.each(objects, len(objects) == 1)
		}
	}
}

// each yields objects, and in the place of each directory what is below it. only says that a directory among them holds
// as much as the parent that did not fit.
func (w *walk) each(objects []*blob.ListObject, only bool) bool {
	for i, object := range objects {
		objects[i] = nil // what has been yielded need not stay in memory
		switch {
		case object.IsDir && startsAfter(object.Key, w.after):
		case object.IsDir:
			if !w.subtree(object.Key, only) {
				return false
			}
		case !w.yield(object, nil):
			return false
		}
	}
	return true
}

// list asks for one page, sorted, and reports whether it is all there is.
func (w *walk) list(options *blob.ListOptions, size int) (objects []*blob.ListObject, whole bool, err error) {
	if w.ctx.Err() != nil {
		return nil, false, context.Cause(w.ctx) // the driver does not look
	}
	objects, token, err := w.bucket.ListPage(w.ctx, blob.FirstPageToken, size, options)
	if err != nil || len(token) > 0 {
		return nil, false, err
	}
	slices.SortFunc(objects, func(a, b *blob.ListObject) int { return cmp.Compare(a.Key, b.Key) })
	return objects, true, nil
}

func (w *walk) failed(err error) bool {
	w.yield(nil, err)
	return false
}
