package hostfolder

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/go-dmap/dmap/internal/attention"
)

// ErrIrregular says that a path leads to something other than a regular file.
var ErrIrregular = attention.Mark(errors.New("not a regular file"))

// Regular returns ErrIrregular if info is not that of a regular file.
func Regular(info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return fmt.Errorf("%w but %s: remove it, or use another folder", ErrIrregular, Kind(info.Mode()))
}

// Kind names what mode is the mode of.
func Kind(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return "a regular file"
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe (FIFO)"
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "a special file"
}
