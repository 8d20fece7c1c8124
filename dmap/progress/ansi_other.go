//go:build !windows

package progress

import "os"

// rewrites reports whether a terminal understands the sequences that rewrite lines.
func rewrites(*os.File) bool { return true }
