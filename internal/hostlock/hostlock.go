// Package hostlock lets one process of a host at a time, and one open file in it, do something.
//
// A lock is a file in the folder that it protects, and the kernel's lock on that file. The kernel
// frees it when the file is closed, also by kill -9. The lock does not reach over network file
// systems, and on systems without flock there is none.
//
// Nothing here blocks in open(2): a lock file that is a FIFO, a symbolic link, a folder or a device
// is refused. Who may write to the folder may hold its locks, and nobody else, as the mode of a
// lock file follows that of its folder.
package hostlock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-dmap/dmap/internal/hostfolder"
	"github.com/go-dmap/dmap/internal/transient"
)

// ErrHeld says that another process, or another open file of this one, holds the lock.
var ErrHeld = errors.New("locked by another process of this host, or another run of this one")

// ErrIrregular says that a path leads to something other than a regular file.
var ErrIrregular = hostfolder.ErrIrregular

// Enter waits at most patience. Holders leave within milliseconds, so it polls in short intervals.
const (
	patience  = time.Minute
	firstWait = time.Millisecond
	maxWait   = 50 * time.Millisecond
)

// Enter locks path until leave is called. It waits while another process or goroutine holds the
// lock, and returns ErrHeld after a minute, or the cause of ctx. A file exists at path while the
// lock is held.
func Enter(ctx context.Context, path string) (leave func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, ErrHeld)
	defer cancel()
	retry := transient.Retry{
		Backoff: transient.Backoff{First: firstWait, Max: maxWait},
		Again:   func(err error) bool { return errors.Is(err, ErrHeld) },
	}
	_, err = retry.Do(ctx, func() error {
		leave, err = Try(path)
		return err
	})
	if errors.Is(err, ErrHeld) {
		return nil, fmt.Errorf("lock %q: %w", path, context.Cause(ctx))
	}
	return leave, err
}

// maxReplaced bounds how often Try finds that the file it has locked was removed.
const maxReplaced = 100

// Try locks path until leave is called, which removes the file. It does not wait: if another
// process or goroutine holds the lock it returns ErrHeld. The folder of path must exist.
func Try(path string) (leave func(), err error) {
	for range maxReplaced {
		file, err := open(path)
		if err != nil {
			return nil, fmt.Errorf("lock %q: %w", path, err)
		}
		if err = flock(file); err != nil {
			return nil, errors.Join(fmt.Errorf("lock %q: %w", path, err), file.Close())
		}
		// The lock on a file that was removed after it was opened is worthless: others lock a new
		// file.
		if isAt(path, file) {
			return sync.OnceFunc(func() { release(path, file) }), nil
		}
		if err = file.Close(); err != nil {
			return nil, fmt.Errorf("lock %q: %w", path, err)
		}
	}
	return nil, fmt.Errorf("lock %q: %w", path, ErrHeld)
}

// release removes the file before its lock is free. A file that is not the locked one is another's.
func release(path string, file *os.File) {
	if isAt(path, file) {
		_ = os.Remove(path)
	}
	_ = file.Close()
}

// isAt reports whether path leads to the open file.
func isAt(path string, file *os.File) bool {
	there, err := os.Lstat(path)
	if err != nil {
		return false
	}
	held, err := file.Stat()
	return err == nil && os.SameFile(held, there)
}

// open opens or creates a file to lock. It neither waits nor follows links.
func open(path string) (*os.File, error) {
	if err := CheckRegular(path); err != nil { // before open(2), which a device would notice
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|openFlags, 0)
	if errors.Is(err, fs.ErrNotExist) {
		file, err = create(path)
	}
	if err != nil {
		return nil, Explain(path, err)
	}
	info, err := file.Stat()
	if err == nil {
		err = hostfolder.Regular(info)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// create creates the file. It returns ErrHeld if another has just done so.
func create(path string) (*os.File, error) {
	mode, err := lockMode(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|openFlags, mode)
	if errors.Is(err, fs.ErrExist) {
		return nil, ErrHeld
	}
	return file, err
}

// CheckRegular returns ErrIrregular if something other than a regular file is at path, such as a
// FIFO, a folder or a symbolic link. It is nil if nothing is there.
func CheckRegular(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return hostfolder.Regular(info)
}

// Explain adds to a refusal to open or create path whose file or folder that is.
func Explain(path string, err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	what := "file"
	info, statErr := os.Lstat(path)
	if errors.Is(statErr, fs.ErrNotExist) {
		what = "folder"
		info, statErr = os.Stat(filepath.Dir(path))
	}
	if statErr != nil {
		return err
	}
	next := "remove it, or run as its owner"
	if info.IsDir() {
		what, next = "folder", "let this user enter it, or run as its owner"
	}
	return fmt.Errorf("%w: the %s has the mode %v%s: %s", err, what, info.Mode(), owner(info), next)
}

// lockMode is the mode of a lock file in folder: those who may write to the folder may open it.
func lockMode(folder string) (fs.FileMode, error) {
	info, err := os.Stat(folder)
	if err != nil {
		return 0, err
	}
	mode := fs.FileMode(0o600)
	if info.Mode()&0o020 != 0 {
		mode |= 0o060
	}
	if info.Mode()&0o002 != 0 {
		mode |= 0o006
	}
	return mode, nil
}
