package listing

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"syscall"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// Pages of a folder. One that holds all there is costs one walk; what is larger is asked for again with the next size.
const (
	wholePage = 8 << 10 // about 700 bytes an object
	pageGrows = 64
	// mayWaste says which part of the work may go into pages that turn out not to hold all: one in so many objects.
	mayWaste = 8
)

// walked lists a folder of files directory by directory, depth first, each sorted by key: that is key order. Memory is
// bounded by the names in the largest directory; where some are escaped, by the objects in that directory, or a page.
// Objects answer to no As, but those that only the driver can make.
func walked(ctx context.Context, bucket *blob.Bucket, prefix, after string) iter.Seq2[*blob.ListObject, error] {
	return func(yield func(*blob.ListObject, error) bool) {
		w := walk{ctx: ctx, bucket: bucket, after: after, yield: yield, page: wholePage, root: rootOf(ctx, bucket, prefix)}
		w.subtree(prefix, false)
	}
}

// walk is one pass over a folder, on the goroutine of the one who ranges over it.
type walk struct {
	ctx    context.Context
	bucket *blob.Bucket
	after  string
	yield  func(*blob.ListObject, error) bool
	page   int // wholePage, but in tests

	root    string // the directory that the keys lie under; empty: not known
	yielded int
	wasted  int
}

// subtree yields all under prefix and reports whether to go on. large says that it is known not to fit one page.
func (w *walk) subtree(prefix string, large bool) bool {
	if safe := listable(prefix); safe != prefix {
		return w.whole(&blob.ListOptions{Prefix: safe}, w.page, prefix)
	}
	return w.marker(prefix) && w.below(prefix, large)
}

// marker yields the object that stands for the folder prefix itself. Its file lies beside that folder, not in it.
func (w *walk) marker(prefix string) bool {
	if !strings.HasSuffix(prefix, "/") {
		return true
	}
	found, err := w.bucket.Attributes(w.ctx, prefix)
	switch {
	case gcerrors.Code(err) == gcerrors.NotFound, errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENAMETOOLONG):
		return true // no file can be there
	case err != nil:
		return w.failed(err)
	}
	object := &blob.ListObject{Key: prefix, ModTime: found.ModTime, Size: found.Size, MD5: found.MD5}
	return w.each([]*blob.ListObject{object}, "", false)
}

// below yields what is under prefix.
func (w *walk) below(prefix string, large bool) bool {
	if w.ctx.Err() != nil {
		return w.failed(context.Cause(w.ctx))
	}
	if found, known := w.names(prefix); known {
		return w.entries(prefix, &found, large)
	}
	if !large && w.wasted*mayWaste <= w.yielded {
		objects, whole, err := w.list(&blob.ListOptions{Prefix: prefix}, w.page)
		if err != nil {
			return w.failed(err)
		}
		if whole {
			return w.each(objects, prefix, false)
		}
		w.wasted += w.page
	}
	return w.whole(&blob.ListOptions{Prefix: prefix, Delimiter: "/"}, w.page, prefix)
}

// entries yields the files of a directory, and in the place of each directory in it what is below that. A marker of one of
// those would have an escaped name.
func (w *walk) entries(prefix string, found *names, large bool) bool {
	parent, _ := cutDir(prefix)
	large = large && len(found.sorted) == 1
	for i, start := range found.sorted {
		if i%readEvery == 0 && w.ctx.Err() != nil {
			return w.failed(context.Cause(w.ctx))
		}
		name := string(found.at(start))
		key := parent + name
		switch {
		case strings.HasSuffix(name, "/"):
			if !startsAfter(key, w.after) && !w.below(key, large) {
				return false
			}
		case strings.HasSuffix(name, sidecar), key <= w.after && w.after != "":
		case !w.file(parent, name, found.hasSidecar(name)):
			return false
		}
	}
	return true
}

// file yields one file, unless it is gone since its name was read.
func (w *walk) file(parent, name string, attributes bool) bool {
	object, err := w.object(parent, name, attributes)
	switch {
	case err != nil:
		return w.failed(err)
	case object == nil:
		return true
	}
	w.yielded++
	return w.yield(object, nil)
}

// whole yields all under prefix that the options ask for, in pages of growing size until one holds it.
func (w *walk) whole(options *blob.ListOptions, size int, prefix string) bool {
	for ; ; size = max(size, w.page) * pageGrows {
		objects, whole, err := w.list(options, size)
		if err != nil {
			return w.failed(err)
		}
		if whole {
			return w.each(objects, prefix, len(objects) == 1)
		}
	}
}

// each yields the objects under prefix, and in the place of each directory what is below it. only says that a directory
// among them holds as much as the parent that did not fit.
func (w *walk) each(objects []*blob.ListObject, prefix string, only bool) bool {
	for i, object := range objects {
		objects[i] = nil // what has been yielded need not stay in memory
		switch {
		case !strings.HasPrefix(object.Key, prefix), object.IsDir && startsAfter(object.Key, w.after):
		case object.IsDir:
			if !w.subtree(object.Key, only) {
				return false
			}
		case !w.yield(object, nil):
			return false
		default:
			w.yielded++
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
	if err != nil {
		return nil, false, err
	}
	slices.SortFunc(objects, func(a, b *blob.ListObject) int { return cmp.Compare(a.Key, b.Key) })
	return objects, len(token) == 0, nil
}

func (w *walk) failed(err error) bool {
	w.yield(nil, err)
	return false
}

// startsAfter reports whether all keys that start with dir are at most after, so that none of them is wanted.
func startsAfter(dir, after string) bool {
	return after > dir && !strings.HasPrefix(after, dir)
}
