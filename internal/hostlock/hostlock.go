// Package hostlock lets one process of a host at a time, and one open file in it, do something.
//
// The kernel frees a lock when its file is closed, also by kill -9. The lock does not reach over
// network file systems, and on systems without flock there is none.
package hostlock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-dmap/dmap/internal/transient"
)

// ErrHeld says that another process, or another open file of this one, holds the lock.
var ErrHeld = errors.New("locked by another process of this host, or another run of this one")

// Hold locks an open file until that file is closed. It does not wait: if the file is locked, it
// returns ErrHeld.
func Hold(file *os.File) error { return flock(file) }

// Enter waits at most patience. Holders leave within milliseconds, so it polls in short intervals.
const (
	patience  = time.Minute
	firstWait = time.Millisecond
	maxWait   = 50 * time.Millisecond
)

// Enter locks path until leave is called. It waits while another process or goroutine is between
// Enter and leave, and returns ErrHeld after a minute, or the cause of ctx. A file exists at path
// while the lock is held.
func Enter(ctx context.Context, path string) (leave func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, ErrHeld)
	defer cancel()
	retry := transient.Retry{
		Backoff: transient.Backoff{First: firstWait, Max: maxWait},
		Again:   func(err error) bool { return errors.Is(err, ErrHeld) },
	}
	_, err = retry.Do(ctx, func() error {
		leave, err = tryEnter(path)
		return err
	})
	if errors.Is(err, ErrHeld) {
		return nil, fmt.Errorf("lock %q: %w", path, context.Cause(ctx))
	}
	return leave, err
}

// tryEnter is one attempt. The lock on a file that was removed after it was opened is worthless:
// others lock a new file.
func tryEnter(path string) (leave func(), err error) {
	file, err := open(path)
	if err != nil {
		return nil, err
	}
	if err = flock(file); err == nil && !isAt(path, file) {
		err = ErrHeld
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %q: %w", path, err), file.Close())
	}
	return func() {
		// Before the lock is free. This fails if another user owns the file, which then stays.
		_ = os.Remove(path)
		_ = file.Close()
	}, nil
}

// isAt reports whether path leads to the open file.
func isAt(path string, file *os.File) bool {
	there, err := os.Stat(path)
	if err != nil {
		return false
	}
	held, err := file.Stat()
	return err == nil && os.SameFile(held, there)
}

// open opens or creates a file to lock. It opens for reading only, because another user may own the
// file.
func open(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if errors.Is(err, os.ErrNotExist) {
		file, err = os.OpenFile(path, os.O_RDONLY|os.O_CREATE|noFollow, 0o644)
	}
	return file, err
}
