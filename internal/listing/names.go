package listing

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gocloud.dev/blob"
)

// A page of fileblob holds an object of about 700 bytes for each key, and one with a delimiter also opens and stats every
// file of the directories that it folds into one entry each. Where the layout is beyond doubt, directories are therefore
// read from the file system, names only, and an object is made when its turn comes, with what the driver says of it.

// names are the keys right below a directory, without what all have in common: files, and directories with a slash at the
// end. They lie in blocks, each behind the one before and with a NUL, which no name holds, at its end: a directory of a
// million files is few values, and none that is copied while it grows.
type names struct {
	blocks   [][]byte
	n        int
	sorted   []int // where each starts: block times blockSize, and the place in it
	sidecars int   // files of the driver's own
}

const blockSize = 64 << 10 // holds any name

// sidecar is the end of the names of files in which fileblob keeps attributes. It does not list them.
const sidecar = ".attrs"

// noObject is a key that no object has; should there be one, folders are listed by the driver.
const noObject = "dmap-looks-for-the-root"

// rootOf returns the directory that the keys of bucket lie under, by way of the path of a file that is not there, which
// fileblob documents to tell; empty if keys under prefix and paths do not correspond.
func rootOf(ctx context.Context, bucket *blob.Bucket, prefix string) string {
	_, err := bucket.Attributes(ctx, noObject)
	var missing *os.PathError
	if err == nil || !bucket.ErrorAs(err, &missing) {
		return ""
	}
	root, ok := strings.CutSuffix(filepath.ToSlash(missing.Path), noObject)
	if !ok || !strings.HasSuffix(root, "/") {
		return ""
	}
	dir, _ := cutDir(prefix)
	if dir == "./" || dir != "" && !fs.ValidPath(strings.TrimSuffix(dir, "/")) { // paths have "./a" for "a", keys do not
		return ""
	}
	top, err := os.Lstat(filepath.Clean(filepath.FromSlash(root + dir)))
	if err != nil || !top.IsDir() { // the driver does not follow a link there
		return ""
	}
	return root
}

// readEvery is how many entries of a directory are in memory at once besides their names.
const readEvery = 1024

// names reads what lies right below prefix, sorted; known is false where that takes the driver.
func (w *walk) names(prefix string) (found names, known bool) {
	if w.root == "" {
		return names{}, false
	}
	dir, base := cutDir(prefix)
	file, err := os.Open(filepath.FromSlash(w.root + dir))
	if err != nil {
		return names{}, false
	}
	defer file.Close()
	for {
		entries, err := file.ReadDir(readEvery)
		for _, entry := range entries {
			if !found.add(dir, base, entry) {
				return names{}, false
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return names{}, false
		}
	}
	found.sort()
	return found, true
}

// add takes an entry of dir, if its name starts with base. It is false for a name that does not say what the key is.
func (n *names) add(dir, base string, entry os.DirEntry) bool {
	name := entry.Name()
	switch {
	case strings.Contains(name, "__0x"): // an escaped character
		return false
	case !strings.HasPrefix(name, base):
		return true
	case entry.IsDir():
		if name += "/"; listable(dir+name) != dir+name {
			return false
		}
	case strings.HasSuffix(name, sidecar):
		n.sidecars++
	}
	last := len(n.blocks) - 1
	if last < 0 || len(n.blocks[last])+len(name) >= cap(n.blocks[last]) {
		n.blocks = append(n.blocks, make([]byte, 0, blockSize>>max(0, 6-len(n.blocks)))) // most directories are small
		last++
	}
	n.blocks[last] = append(append(n.blocks[last], name...), 0)
	n.n++
	return true
}

// sort puts the names in the order of keys: "a-/" before "a/".
func (n *names) sort() {
	n.sorted = make([]int, 0, n.n)
	for i, block := range n.blocks {
		for at := 0; at < len(block); {
			n.sorted = append(n.sorted, i*blockSize+at)
			at += bytes.IndexByte(block[at:], 0) + 1
		}
	}
	slices.SortFunc(n.sorted, func(a, b int) int { return bytes.Compare(n.at(a), n.at(b)) })
}

// at is the name that starts there.
func (n *names) at(start int) []byte {
	rest := n.blocks[start/blockSize][start%blockSize:]
	return rest[:bytes.IndexByte(rest, 0)]
}

// hasSidecar says whether the driver has attributes of a file.
func (n *names) hasSidecar(name string) bool {
	if n.sidecars == 0 {
		return false
	}
	_, found := slices.BinarySearchFunc(n.sorted, name+sidecar, func(start int, name string) int {
		return strings.Compare(string(n.at(start)), name)
	})
	return found
}

// object is what the bucket's own listing says of a file; nil if it is gone.
func (w *walk) object(dir, name string, attributes bool) (*blob.ListObject, error) {
	info, err := os.Lstat(filepath.FromSlash(w.root + dir + name)) // of a link itself, as the driver
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	object := &blob.ListObject{Key: dir + name, ModTime: info.ModTime(), Size: info.Size()}
	if attributes {
		if a, err := w.bucket.Attributes(w.ctx, object.Key); err == nil { // the driver's listing ignores an error, too
			object.MD5 = a.MD5
		}
	}
	return object, nil
}

// cutDir cuts behind the last slash.
func cutDir(prefix string) (dir, base string) {
	i := strings.LastIndex(prefix, "/") + 1
	return prefix[:i], prefix[i:]
}

// listable is the part of prefix that fileblob can be asked for: it looks for the directories of a prefix as they are
// written, although it stores some characters of them escaped, and so finds nothing there.
func listable(prefix string) string {
	dir, _ := cutDir(prefix)
	for i := range len(dir) {
		slash := dir[i] == '/' && (strings.HasSuffix(dir[:i], "/") || strings.HasSuffix(dir[:i], ".."))
		if dir[i] < ' ' || slash || strings.HasPrefix(dir[i:], "__0x") {
			return prefix[:i]
		}
	}
	return prefix
}
