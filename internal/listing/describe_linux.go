package listing

import (
	"time"

	"gocloud.dev/blob"
	"golang.org/x/sys/unix"
)

// describe sets the size and the time of an object whose path leads to a regular file. Otherwise it
// returns false, and the caller asks os.Stat, which makes more of the answer than a file needs.
func describe(path string, object *blob.ListObject) bool {
	var stat unix.Stat_t
	if unix.Stat(path, &stat) != nil || stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return false
	}
	object.Size, object.ModTime = stat.Size, time.Unix(stat.Mtim.Unix())
	return true
}
