//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package progress

import "os"

// listen returns nil: keys are not read here.
func listen(*os.File) *keyboard { return nil }
