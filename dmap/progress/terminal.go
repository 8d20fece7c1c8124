package progress

import (
	"os"
	"runtime"
	"strconv"

	"golang.org/x/term"
)

// isTerminal reports whether file is a terminal.
func isTerminal(file *os.File) bool { return term.IsTerminal(int(file.Fd())) }

// dumb reports whether a terminal of this name cannot rewrite lines. Windows names none.
func dumb(name string) bool { return name == "dumb" || name == "" && runtime.GOOS != "windows" }

// size is the size of a terminal: what the terminal says, else COLUMNS and LINES, else 80 by 24.
func size(file *os.File) (columns, rows int) {
	columns, rows, err := term.GetSize(int(file.Fd()))
	if err != nil || columns <= 0 {
		columns = fromEnvironment("COLUMNS", 80)
	}
	if err != nil || rows <= 0 {
		rows = fromEnvironment("LINES", 24)
	}
	return columns, rows
}

func fromEnvironment(name string, usual int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return usual
}
