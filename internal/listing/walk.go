package listing

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/transient"
)

// Pages of a folder. A page that holds all keys costs one walk of the driver; a larger tree is
// asked for again with the next size.
const (
	folderPage = 8 << 10 // about 700 bytes an object
	pageGrowth = 64
	// wasteLimit bounds the work for pages that turn out not to hold all: at most one in wasteLimit
	// objects.
	wasteLimit = 8
)

// walked lists a folder of files directory by directory, depth first, each sorted by key: that is
// key order.
//
// A page of fileblob holds an object of about 700 bytes for each key, and a page with a delimiter
// also opens and stats every file of the directories that it folds into one entry each. Where names
// tell the keys, the walk therefore reads the directories from the file system, and makes an object
// when its turn comes, with the attributes that the driver gives. Memory is bounded by the names in
// the largest directory; where some names are escaped, by the objects in that directory, or a page.
// Only objects that the driver made answer to As.
func walked(ctx context.Context, bucket *blob.Bucket, prefix, after string) iter.Seq2[*blob.ListObject, error] {
	return func(yield func(*blob.ListObject, error) bool) {
		w := walk{ctx: ctx, bucket: bucket, after: after, yield: yield, page: folderPage, root: findRoot(ctx, bucket, prefix)}
		w.listTree(prefix, false)
	}
}

// walk is one pass over a folder, on the goroutine that ranges over it. Its methods that yield
// return false when the walk has to stop.
type walk struct {
	ctx    context.Context
	bucket *blob.Bucket
	after  string // directories with smaller keys only are left out
	yield  func(*blob.ListObject, error) bool
	page   int // folderPage; smaller in tests

	root    string // the directory of the keys, with a slash; empty: the driver lists all
	yielded int    // objects
	wasted  int    // objects of pages that did not hold all
}

// absentKey is a key that no object has. If there is one all the same, the driver lists the folder.
const absentKey = "dmap-looks-for-the-root"

// findRoot returns the directory that holds the keys of bucket. It learns it from the path in the
// error for a file that does not exist, which fileblob documents. It returns an empty string if
// keys under prefix and paths do not correspond.
func findRoot(ctx context.Context, bucket *blob.Bucket, prefix string) string {
	_, err := bucket.Attributes(ctx, absentKey)
	var missing *os.PathError
	if err == nil || !bucket.ErrorAs(err, &missing) {
		return ""
	}
	root, ok := strings.CutSuffix(filepath.ToSlash(missing.Path), absentKey)
	if !ok || !strings.HasSuffix(root, "/") {
		return ""
	}
	if dir, _ := splitDir(prefix); !isKeyPath(dir) || !isDirectory(root+dir) {
		return ""
	}
	return root
}

// listTree yields all objects under prefix. large says that they are known not to fit one page.
func (w *walk) listTree(prefix string, large bool) bool {
	if listable := listablePrefix(prefix); listable != prefix {
		return w.listByDriver(&blob.ListOptions{Prefix: listable}, prefix)
	}
	return w.yieldMarker(prefix) && w.listUnder(prefix, large)
}

// yieldMarker yields the object whose key is the folder prefix itself. Its file lies beside that
// folder, not in it.
func (w *walk) yieldMarker(prefix string) bool {
	if !strings.HasSuffix(prefix, "/") {
		return true
	}
	found, err := w.bucket.Attributes(w.ctx, prefix)
	switch {
	case transient.Absent(err), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENAMETOOLONG):
		return true // no file can be there
	case err != nil:
		return w.fail(err)
	}
	w.yielded++
	return w.yield(&blob.ListObject{Key: prefix, ModTime: found.ModTime, Size: found.Size, MD5: found.MD5}, nil)
}

// listUnder yields the objects whose keys are longer than prefix and start with it.
func (w *walk) listUnder(prefix string, large bool) bool {
	if w.ctx.Err() != nil {
		return w.fail(context.Cause(w.ctx))
	}
	if w.root != "" {
		dir, base := splitDir(prefix)
		if found, ok := readNames(w.root, dir, base); ok {
			return w.yieldNames(dir, &found, large)
		}
	}
	if !large && w.wasted*wasteLimit <= w.yielded {
		objects, all, err := w.fetch(&blob.ListOptions{Prefix: prefix}, w.page)
		if err != nil {
			return w.fail(err)
		}
		if all {
			return w.yieldObjects(objects, prefix, false)
		}
		w.wasted += w.page
	}
	return w.listByDriver(&blob.ListOptions{Prefix: prefix, Delimiter: "/"}, prefix)
}

// yieldNames yields the files of a directory, and at the position of each directory in it the
// objects in that. Those have no markers, because the file of a marker has an escaped name.
func (w *walk) yieldNames(dir string, found *names, large bool) bool {
	large = large && len(found.sorted) == 1
	for i, start := range found.sorted {
		if i%readEvery == 0 && w.ctx.Err() != nil {
			return w.fail(context.Cause(w.ctx))
		}
		name := string(found.at(start))
		key := dir + name
		switch {
		case strings.HasSuffix(name, "/"):
			if !allBefore(key, w.after) && !w.listUnder(key, large) {
				return false
			}
		case strings.HasSuffix(name, sidecar), key <= w.after && w.after != "":
		case !w.yieldFile(key, found.hasSidecar(name)):
			return false
		}
	}
	return true
}

// yieldFile yields one file, unless it was removed since its name was read.
func (w *walk) yieldFile(key string, hasAttributes bool) bool {
	info, err := os.Lstat(filepath.FromSlash(w.root + key)) // of a link itself, as the driver
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err != nil {
		return w.fail(err)
	}
	object := &blob.ListObject{Key: key, ModTime: info.ModTime(), Size: info.Size()}
	if hasAttributes {
		// An error leaves MD5 empty, as in the driver's own listing.
		if a, err := w.bucket.Attributes(w.ctx, key); err == nil {
			object.MD5 = a.MD5
		}
	}
	w.yielded++
	return w.yield(object, nil)
}

// listByDriver yields all objects under prefix that the driver lists for options, in pages of
// growing size until one holds all.
func (w *walk) listByDriver(options *blob.ListOptions, prefix string) bool {
	for size := w.page; ; size *= pageGrowth {
		objects, all, err := w.fetch(options, size)
		if err != nil {
			return w.fail(err)
		}
		if all {
			return w.yieldObjects(objects, prefix, len(objects) == 1)
		}
	}
}

// yieldObjects yields the objects under prefix, and at the position of each directory the objects
// in that. large says that a directory among them is known not to fit one page.
func (w *walk) yieldObjects(objects []*blob.ListObject, prefix string, large bool) bool {
	for i, object := range objects {
		objects[i] = nil // the caller may drop it before the page is used up
		switch {
		case !strings.HasPrefix(object.Key, prefix), object.IsDir && allBefore(object.Key, w.after):
		case object.IsDir:
			if !w.listTree(object.Key, large) {
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

// fetch returns one page, sorted, and whether it holds all.
func (w *walk) fetch(options *blob.ListOptions, size int) (objects []*blob.ListObject, all bool, err error) {
	p := fetchPage(w.ctx, w.bucket, blob.FirstPageToken, size, options)
	slices.SortFunc(p.objects, func(a, b *blob.ListObject) int { return cmp.Compare(a.Key, b.Key) })
	return p.objects, p.next == nil, p.err
}

// fail yields err as the last value.
func (w *walk) fail(err error) bool {
	w.yield(nil, err)
	return false
}

// allBefore reports whether all keys that start with dir are at most after, so that none of them is
// wanted.
func allBefore(dir, after string) bool {
	return after > dir && !strings.HasPrefix(after, dir)
}
