//go:build unix

package listing

import "syscall"

// openDir keeps open from waiting for the other end of a FIFO that has replaced a directory.
const openDir = syscall.O_DIRECTORY | syscall.O_NONBLOCK
