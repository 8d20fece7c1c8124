package listing

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// names holds the names in a directory, sorted as keys: files, and directories with a slash at the
// end. The names lie in blocks, each followed by a NUL, which no name contains: a directory of a
// million files takes few allocations, and no block is copied while the list grows.
type names struct {
	blocks   [][]byte
	n        int
	sorted   []int // starts of the names: index of the block times blockSize, plus offset
	sidecars int   // names that end in sidecar
}

const blockSize = 64 << 10 // holds any name

// sidecar is the suffix of the files in which fileblob keeps attributes. It does not list them.
const sidecar = ".attrs"

// readEvery is the number of directory entries in memory at once, besides their names.
const readEvery = 1024

// readNames returns the names in a directory of root that start with base, where dir+base is a
// prefix of keys. ok is false if the driver has to list the directory, because it cannot be read or
// a name does not tell the key.
func readNames(root, dir, base string) (found names, ok bool) {
	file, err := os.Open(filepath.FromSlash(root + dir))
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

// add adds an entry of dir if its name starts with base. It returns false for a name that does not
// tell the key.
func (n *names) add(dir, base string, entry os.DirEntry) bool {
	name := entry.Name()
	switch {
	case strings.Contains(name, "__0x"): // an escaped character
		return false
	case !strings.HasPrefix(name, base):
		return true
	case entry.IsDir():
		if name += "/"; listablePrefix(dir+name) != dir+name {
			return false
		}
	case strings.HasSuffix(name, sidecar):
		n.sidecars++
	}
	last := len(n.blocks) - 1
	if last < 0 || len(n.blocks[last])+len(name) >= cap(n.blocks[last]) {
		// Most directories are small, so the first blocks are.
		n.blocks = append(n.blocks, make([]byte, 0, blockSize>>max(0, 6-len(n.blocks))))
		last++
	}
	n.blocks[last] = append(append(n.blocks[last], name...), 0)
	n.n++
	return true
}

// sort orders the names as keys: "a-/" comes before "a/".
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

// at returns the name that starts at an element of sorted.
func (n *names) at(start int) []byte {
	name := n.blocks[start/blockSize][start%blockSize:]
	return name[:bytes.IndexByte(name, 0)]
}

// hasSidecar reports whether the driver keeps attributes of a file.
func (n *names) hasSidecar(name string) bool {
	if n.sidecars == 0 {
		return false
	}
	_, found := slices.BinarySearchFunc(n.sorted, name+sidecar, func(start int, name string) int {
		return strings.Compare(string(n.at(start)), name)
	})
	return found
}

// isDirectory reports whether a path is a directory, and no link to one: the driver does not follow
// links.
func isDirectory(path string) bool {
	info, err := os.Lstat(filepath.Clean(filepath.FromSlash(path)))
	return err == nil && info.IsDir()
}

// isKeyPath reports whether files under dir have the same key as path: "./a" is a path of "a", but
// not a key.
func isKeyPath(dir string) bool {
	return dir == "" || dir != "./" && fs.ValidPath(strings.TrimSuffix(dir, "/"))
}

// splitDir splits prefix after its last slash.
func splitDir(prefix string) (dir, base string) {
	i := strings.LastIndex(prefix, "/") + 1
	return prefix[:i], prefix[i:]
}

// listablePrefix returns the part of prefix that fileblob can list. The driver stores some
// characters of directories escaped, but looks for the directories of a prefix under their
// unescaped names, and finds nothing.
func listablePrefix(prefix string) string {
	dir, _ := splitDir(prefix)
	for i := range len(dir) {
		slash := dir[i] == '/' && (strings.HasSuffix(dir[:i], "/") || strings.HasSuffix(dir[:i], ".."))
		if dir[i] < ' ' || slash || strings.HasPrefix(dir[i:], "__0x") {
			return prefix[:i]
		}
	}
	return prefix
}
