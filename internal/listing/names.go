package listing

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/go-dmap/dmap/internal/hostfolder"
	"github.com/go-dmap/dmap/internal/hostlock"
	"github.com/go-dmap/dmap/internal/notice"
	"github.com/go-dmap/dmap/internal/transient"
)

// names holds the names in a directory, sorted as keys: files, and directories with a slash at the
// end. The names lie in blocks, each followed by a NUL, which no name contains: a directory of a
// million files takes few allocations, and no block is copied while the list grows.
type names struct {
	blocks   [][]byte
	n        int
	sorted   []int           // starts of the names: index of the block times blockSize, plus offset
	escapes  int             // names that hold escaped characters
	sidecars int             // names that end in sidecar
	special  map[string]bool // of the sidecars, those that are no regular files
	links    map[string]bool // of the directories, those that are symbolic links
}

const blockSize = 64 << 10 // holds any name

// sidecar is the suffix of the files in which fileblob keeps attributes. It does not list them.
const sidecar = ".attrs"

// readEvery is the number of directory entries in memory at once, besides their names.
const readEvery = 1024

// readNames returns the names in dir, which ends with a slash, whose part of a key starts with
// base. While the process has no file descriptor left it waits, and at last returns that error.
// Nothing is open when it returns.
func readNames(ctx context.Context, dir, base string) (found names, err error) {
	retry := transient.Retry{
		Attempts: pageAttempts, Backoff: transient.Backoff{First: firstWait},
		Again: func(err error) bool { return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) },
	}
	_, err = retry.Do(ctx, func() error {
		found = names{special: map[string]bool{}, links: map[string]bool{}}
		return found.read(ctx, dir, base)
	})
	if ctx.Err() != nil {
		return names{}, context.Cause(ctx)
	}
	if err != nil {
		return names{}, hostlock.Explain(filepath.FromSlash(dir), err)
	}
	found.sort()
	return found, found.checkOrder(dir)
}

func (n *names) read(ctx context.Context, dir, base string) error {
	file, err := os.OpenFile(filepath.FromSlash(dir), os.O_RDONLY|openDir, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	for {
		entries, err := file.ReadDir(readEvery)
		for _, entry := range entries {
			n.add(ctx, dir, base, entry)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// add adds an entry of dir if its part of a key starts with base. A special file is no object.
func (n *names) add(ctx context.Context, dir, base string, entry os.DirEntry) {
	name, mode := entry.Name(), entry.Type()
	link := mode&fs.ModeSymlink != 0
	if link {
		mode = targetMode(dir+name, mode)
	}
	attributes := strings.HasSuffix(name, sidecar) && !mode.IsDir()
	if mode.IsDir() {
		name += "/"
	}
	part := unescape(name)
	switch {
	case !strings.HasPrefix(part, base):
		return
	case attributes:
		n.sidecars++
		if !mode.IsRegular() {
			n.special[name] = true
		}
	case mode.IsDir() && link:
		n.links[name] = true
	case !mode.IsDir() && !mode.IsRegular() && mode&fs.ModeSymlink == 0:
		leaveOut(ctx, dir+name, hostfolder.Kind(mode))
		return
	}
	if part != name {
		n.escapes++
	}
	last := len(n.blocks) - 1
	if last < 0 || len(n.blocks[last])+len(name) >= cap(n.blocks[last]) {
		// Most directories are small, so the first blocks are.
		n.blocks = append(n.blocks, make([]byte, 0, blockSize>>max(0, 6-len(n.blocks))))
		last++
	}
	n.blocks[last] = append(append(n.blocks[last], name...), 0)
	n.n++
}

// leaveOut says in the log of the run that the listing leaves out a file.
func leaveOut(ctx context.Context, path, what string) {
	notice.Give(ctx, fmt.Sprintf("listing leaves out %.300q: it is %s, not a regular file", path, what))
}

// targetMode returns the type of what a link leads to, and that of the link if it leads nowhere.
func targetMode(path string, link fs.FileMode) fs.FileMode {
	info, err := os.Stat(filepath.FromSlash(path))
	if err != nil {
		return link
	}
	return info.Mode().Type()
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
	if n.escapes == 0 {
		slices.SortFunc(n.sorted, func(a, b int) int { return bytes.Compare(n.at(a), n.at(b)) })
		return
	}
	slices.SortFunc(n.sorted, func(a, b int) int {
		return cmp.Or(strings.Compare(n.key(a), n.key(b)), bytes.Compare(n.at(b), n.at(a)))
	})
}

// checkOrder returns an error if a file has a key inside a directory beside it, or the same key as
// another file. Only names that other programs made do.
func (n *names) checkOrder(dir string) error {
	for i := 1; n.escapes > 0 && i < len(n.sorted); i++ {
		a, b := n.sorted[i-1], n.sorted[i]
		before, key := n.key(a), n.key(b)
		marker := before == key && bytes.HasSuffix(n.at(b), []byte("/")) // beside its directory
		if marker || before != key && !(strings.HasSuffix(before, "/") && strings.HasPrefix(key, before)) {
			continue
		}
		return fmt.Errorf("%q and %q in %q have keys in common: rename one", n.at(a), n.at(b), dir)
	}
	return nil
}

// at returns the name that starts at an element of sorted.
func (n *names) at(start int) []byte {
	name := n.blocks[start/blockSize][start%blockSize:]
	return name[:bytes.IndexByte(name, 0)]
}

// key returns its part of a key.
func (n *names) key(start int) string { return unescape(string(n.at(start))) }

// hasSpecialSidecar reports whether the attributes of a file are in no regular file.
func (n *names) hasSpecialSidecar(name string) bool {
	return len(n.special) > 0 && n.special[name+sidecar]
}

// hasSidecar reports whether the driver keeps attributes of a file.
func (n *names) hasSidecar(name string) bool {
	if n.sidecars == 0 {
		return false
	}
	_, found := slices.BinarySearchFunc(n.sorted, unescape(name)+sidecar, func(start int, key string) int {
		return strings.Compare(n.key(start), key)
	})
	return found
}
