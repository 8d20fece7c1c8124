package progress

import (
	"os"

	"golang.org/x/sys/windows"
)

// rewrites has the console understand the sequences that rewrite lines, which it does not do by
// itself, and reports whether it does.
func rewrites(file *os.File) bool {
	console := windows.Handle(file.Fd())
	var mode uint32
	if windows.GetConsoleMode(console, &mode) != nil {
		return false
	}
	return windows.SetConsoleMode(console, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
