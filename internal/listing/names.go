package listing

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gocloud.dev/blob"
)

// A page of fileblob with a delimiter opens and stats every file of the directories that it folds into one entry each, so
// that walking directory by directory would double the cost. The names of directories are therefore read from the file
// system where its layout is beyond doubt; all objects still come from the bucket.

// names are the keys right below a prefix: directories end in a slash.
type names struct{ dirs, files []string }

// rootOf returns the directory that the keys of bucket lie under, by way of the file behind one of them; empty if keys and
// paths do not correspond.
func rootOf(ctx context.Context, bucket *blob.Bucket, key string) string {
	var path string
	reader, err := bucket.NewRangeReader(ctx, key, 0, 0, &blob.ReaderOptions{BeforeRead: func(as func(any) bool) error {
		var file *os.File
		if as(&file) {
			path = file.Name()
		}
		return nil
	}})
	if err != nil {
		return ""
	}
	_ = reader.Close() // nothing was read
	root, ok := strings.CutSuffix(filepath.ToSlash(path), key)
	if !ok || !strings.HasSuffix(root, "/") {
		return ""
	}
	return root
}

// names reads what lies right below prefix, sorted; known is false where that takes the driver.
func (w *walk) names(prefix string) (found names, known bool) {
	if w.root == "" {
		return names{}, false
	}
	dir, base := prefix[:strings.LastIndex(prefix, "/")+1], prefix[strings.LastIndex(prefix, "/")+1:]
	entries, err := os.ReadDir(filepath.FromSlash(w.root + dir))
	if err != nil {
		return names{}, false
	}
	for _, entry := range entries {
		name := entry.Name()
		switch {
		case strings.Contains(name, "__0x"): // an escaped character
			return names{}, false
		case !strings.HasPrefix(name, base):
		case entry.IsDir():
			found.dirs = append(found.dirs, dir+name+"/")
		default:
			found.files = append(found.files, dir+name)
		}
	}
	slices.Sort(found.dirs) // "a-/" comes before "a/"
	return found, true
}

// listable is the part of prefix that fileblob can be asked for: it looks for the directories of a prefix as they are
// written, although it stores some characters of them escaped, and so finds nothing there.
func listable(prefix string) string {
	dir := prefix[:strings.LastIndex(prefix, "/")+1]
	for i := range len(dir) {
		slash := dir[i] == '/' && (strings.HasSuffix(dir[:i], "/") || strings.HasSuffix(dir[:i], ".."))
		if dir[i] < ' ' || slash || strings.HasPrefix(dir[i:], "__0x") {
			return prefix[:i]
		}
	}
	return prefix
}
