//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package hostlock

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

const noFollow = syscall.O_NOFOLLOW

// flock takes the lock without waiting. On a file system without locks, or without locks for files
// open for reading (NFS), it does nothing.
func flock(file *os.File) error {
	for {
		switch err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return ErrHeld
		case errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.EBADF),
			errors.Is(err, syscall.ENOLCK):
			return nil
		default:
			return fmt.Errorf("flock: %w", err)
		}
	}
}
