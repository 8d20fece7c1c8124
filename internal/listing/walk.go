package listing

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/hostfolder"
	"github.com/go-dmap/dmap/internal/notice"
	"github.com/go-dmap/dmap/internal/transient"
)

// walked lists a folder of files directory by directory, depth first, each sorted by key: that is
// key order. It reads names from the file system, and makes an object when its turn comes, with the
// attributes that the driver gives. So memory is bounded by the names in the directories on the way
// to the current one, and one directory is open at a time.
//
// The driver's own listing is no alternative: it opens and stats every file of a page first, skips
// files that it cannot open, lists special files, and does not follow links.
//
// Objects are the regular files that the paths under the folder lead to. Symbolic links are
// followed, to files and to directories; one to a directory that it lies in is left out, and said
// so in the log. A link that leads nowhere is an object that cannot be read. Special files are left
// out, and said so. A directory that cannot be read is an error.
//
// An object of the size -1 has to be checked before it is opened: see [hostfolder.CheckReadable].
// The others are known to be regular files.
func walked(ctx context.Context, bucket *blob.Bucket, prefix, after string) iter.Seq2[*blob.ListObject, error] {
	return func(yield func(*blob.ListObject, error) bool) {
		w := walk{ctx: ctx, bucket: bucket, prefix: prefix, after: after, yield: yield}
		w.listAll()
	}
}

// walk is one pass over a folder, on the goroutine that ranges over it. Its methods that yield
// return false when the walk has to stop.
type walk struct {
	ctx    context.Context
	bucket *blob.Bucket
	prefix string
	after  string // directories with smaller keys only are left out
	yield  func(*blob.ListObject, error) bool
}

// listAll yields all objects under the prefix.
func (w *walk) listAll() bool {
	// The driver takes only UTF-8. Names need not be: those that do not match are dropped below.
	head := w.prefix
	for !utf8.ValidString(head) {
		head = head[:len(head)-1]
	}
	root, err := hostfolder.Prefix(w.ctx, w.bucket, "")
	if err != nil {
		return w.fail(err)
	}
	path, err := hostfolder.Prefix(w.ctx, w.bucket, head)
	if err != nil {
		return w.fail(err)
	}
	root, path = filepath.ToSlash(root), filepath.ToSlash(path)
	if !strings.HasPrefix(path, root) || unescape(path[len(root):]) != head {
		return true // "./a" is a path of "a", but not a key
	}
	if !w.yieldMarker(head) {
		return false
	}
	dir, name := splitDir(path)
	return w.listDir(dir, head, unescape(name))
}

// yieldMarker yields the object whose key is the folder prefix itself. Its file lies beside that
// folder, not in it.
func (w *walk) yieldMarker(prefix string) bool {
	if !strings.HasSuffix(prefix, "/") || prefix != w.prefix {
		return true
	}
	var found *blob.Attributes
	err := hostfolder.CheckReadable(w.ctx, w.bucket, prefix)
	if err == nil {
		found, err = w.bucket.Attributes(w.ctx, prefix)
	}
	switch {
	case errors.Is(err, hostfolder.ErrIrregular):
		notice.Give(w.ctx, fmt.Sprintf("listing leaves out %.300q: %v", prefix, err))
		return true
	case transient.Absent(err), isNoFile(err):
		return true
	case err != nil:
		return w.fail(err)
	}
	return w.yield(&blob.ListObject{Key: prefix, ModTime: found.ModTime, Size: found.Size, MD5: found.MD5}, nil)
}

// isNoFile reports whether err says that no file can be at a path.
func isNoFile(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG)
}

// listDir yields the objects in a directory whose keys start with prefix, which ends with base, the
// part of it that the names have to start with. A directory that has been removed has none.
func (w *walk) listDir(dir, prefix, base string) bool {
	if w.ctx.Err() != nil {
		return w.fail(context.Cause(w.ctx))
	}
	found, err := readNames(w.ctx, dir, base)
	if isNoFile(err) {
		return true
	}
	if err != nil {
		return w.fail(err)
	}
	for i, start := range found.sorted {
		if i%readEvery == 0 && w.ctx.Err() != nil {
			return w.fail(context.Cause(w.ctx))
		}
		path := dir + string(found.at(start))
		name := path[len(dir):]
		key := prefix + unescape(name)[len(base):]
		switch {
		case strings.HasSuffix(name, "/"):
			if !w.wants(key) || found.links[name] && !w.mayFollow(path) {
				continue
			}
			if !w.listDir(path, key, "") {
				return false
			}
		case strings.HasSuffix(name, sidecar), key <= w.after && w.after != "", !strings.HasPrefix(key, w.prefix):
		case !w.yieldFile(path, key, found.hasSidecar(name), found.hasSpecialSidecar(name)):
			return false
		}
	}
	return true
}

// wants reports whether keys that start with dir may be wanted.
func (w *walk) wants(dir string) bool {
	return !allBefore(dir, w.after) && (strings.HasPrefix(dir, w.prefix) || strings.HasPrefix(w.prefix, dir))
}

// mayFollow reports whether a link to a directory may be followed: not if it leads to a directory
// that it lies in, whose files have keys of their own already.
func (w *walk) mayFollow(path string) bool {
	target, err := os.Stat(filepath.FromSlash(path))
	if err != nil {
		return true // the next step returns the error
	}
	for at := range len(path) - 1 {
		if path[at] != '/' {
			continue
		}
		if above, err := os.Stat(filepath.FromSlash(path[:at+1])); err == nil && os.SameFile(above, target) {
			leaveOut(w.ctx, path, "a link to a folder that it lies in")
			return false
		}
	}
	notice.Give(w.ctx, fmt.Sprintf("listing follows the link %.300q to a folder", path))
	return true
}

// yieldFile yields one file, unless it was removed since its name was read. unsafe says that its
// sidecar is a special file.
func (w *walk) yieldFile(path, key string, hasAttributes, unsafe bool) bool {
	object := &blob.ListObject{Key: key}
	if !describe(path, object) {
		info, err := os.Stat(filepath.FromSlash(path))
		if err != nil {
			return w.yieldBroken(path, object, err)
		}
		if !info.Mode().IsRegular() { // it was, when its name was read
			leaveOut(w.ctx, path, hostfolder.Kind(info.Mode()))
			return true
		}
		object.ModTime, object.Size = info.ModTime(), info.Size()
	}
	switch {
	case unsafe:
		object.Size = -1
	case hasAttributes:
		// An error leaves MD5 empty, as in the driver's own listing.
		if a, err := w.bucket.Attributes(w.ctx, key); err == nil {
			object.MD5 = a.MD5
		}
	}
	return w.yield(object, nil)
}

// yieldBroken yields what a path names that leads to no file because of err: a link.
func (w *walk) yieldBroken(path string, object *blob.ListObject, err error) bool {
	link, linkErr := os.Lstat(filepath.FromSlash(path))
	switch {
	case errors.Is(linkErr, fs.ErrNotExist):
		return true
	case linkErr != nil || link.Mode()&fs.ModeSymlink == 0:
		return w.fail(err)
	}
	// It leads nowhere, or where it may not: reading returns the error.
	object.ModTime, object.Size = link.ModTime(), -1
	return w.yield(object, nil)
}

// fail yields err as the last value.
func (w *walk) fail(err error) bool {
	w.yield(nil, err)
	return false
}

// splitDir splits a path after its last slash.
func splitDir(path string) (dir, name string) {
	i := strings.LastIndex(path, "/") + 1
	return path[:i], path[i:]
}

// allBefore reports whether all keys that start with dir are at most after, so that none of them is
// wanted.
func allBefore(dir, after string) bool {
	return after > dir && !strings.HasPrefix(after, dir)
}
