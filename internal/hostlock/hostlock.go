// Package hostlock lets one process of a host at a time, and one user of a file in it, go on with something.
//
// The kernel frees a lock when its file is closed, also by kill -9. It does not reach over network file systems, and
// where the system has no flock there is none.
package hostlock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrHeld says that another process, or another open file of this one, holds the lock.
var ErrHeld = errors.New("locked by another process of this host, or another run of this one")

// Hold takes the lock of an open file, until that is closed. It does not wait: ErrHeld.
func Hold(file *os.File) error { return flock(file) }

// patience is how long Enter waits. What it waits for takes milliseconds.
const patience = time.Minute

// Enter waits until nobody else is between Enter and leave of the same path. While somebody is, there is a file.
func Enter(ctx context.Context, path string) (leave func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, ErrHeld)
	defer cancel()
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		if leave, err = enter(path); !errors.Is(err, ErrHeld) {
			return leave, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("lock %q: %w", path, context.Cause(ctx))
		}
	}
}

// enter is one attempt. A file that has been removed since it was opened does not count: others lock a new one.
func enter(path string) (leave func(), err error) {
	file, err := open(path)
	if err != nil {
		return nil, err
	}
	if err = flock(file); err == nil && !at(path, file) {
		err = ErrHeld
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %q: %w", path, err), file.Close())
	}
	return func() {
		_ = os.Remove(path) // first, as nobody else may have the lock then; another user's stays
		_ = file.Close()
	}, nil
}

// at says whether file is what lies at path.
func at(path string, file *os.File) bool {
	there, err := os.Stat(path)
	if err != nil {
		return false
	}
	held, err := file.Stat()
	return err == nil && os.SameFile(held, there)
}

// open opens a file to lock, and writes nothing to it: another user may have created it.
func open(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if errors.Is(err, os.ErrNotExist) {
		file, err = os.OpenFile(path, os.O_RDONLY|os.O_CREATE|noFollow, 0o644)
	}
	return file, err
}
