package progress

import "golang.org/x/sys/unix"

// The requests for the mode of a terminal.
const (
	getTermios = unix.TCGETS
	setTermios = unix.TCSETS
)
