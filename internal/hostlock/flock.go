//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package hostlock

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// openFlags keep open from following a link and from waiting for the other end of a FIFO.
const openFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// flock takes the lock without waiting. On a file system without locks it does nothing.
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

// owner names the owner of a file for an error.
func owner(info os.FileInfo) string {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf(" and belongs to the user %d", stat.Uid)
	}
	return ""
}
