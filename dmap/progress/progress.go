// Package progress shows runs while they work: up to six lines that are rewritten on a terminal,
// with keys that steer the run, and a line of key=value pairs every few seconds elsewhere.
//
//	opts.Observer = progress.Observer(os.Stderr, progress.Options{})
//
// The lines of a terminal are, in this order: the state of the run with its reason and its expected
// end; a bar that adds up; the rate, times of calls, and calls against their limit; the largest
// groups of failures; the oldest call; the last commit. Lines without content are left out, and
// all are clipped to the width of the terminal.
//
// The environment variables NO_COLOR (any value: no colors) and TERM ("dumb": as if it were no
// terminal) are observed. Texts from outside, such as keys and errors, have their control
// characters escaped.
package progress

import (
	"io"
	"os"
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// Default times between two updates.
const (
	EveryTerminal = 250 * time.Millisecond
	EveryLog      = 10 * time.Second
)

// Options configures a display. The zero value is valid.
type Options struct {
	// Total is the expected number of items, for the share and the end while the source is still
	// read. 0: not known.
	Total int64
	// Every is the time between two updates. 0: EveryTerminal on a terminal, else EveryLog.
	Every time.Duration
	// Redact returns the text in place of the key of an item, such as a hash of it. It is
	// called from many goroutines. nil: what the log of the run shows, by Options.Redact of the
	// run; Show does not know that, and shows keys.
	Redact func(key string) string
	// NoKeys leaves the keyboard alone: for programs that read it themselves. Otherwise, if both
	// the output and the standard input are terminals: space pauses and resumes, + and - change
	// the concurrency by a tenth, q twice suspends the run (see dmap.LiveRun). Keys are not
	// echoed meanwhile. Ctrl-C, Ctrl-\ and Ctrl-Z act as always, after the terminal is as it was.
	NoKeys bool
}

// Observer is New(w, opts).Observer().
func Observer(w io.Writer, opts Options) *dmap.Observer { return New(w, opts).Observer() }

// Show writes the progress of run to w until the run has ended. It runs on the caller's goroutine,
// never delays the run, and ignores errors of w. It knows no failures in groups and no commits:
// they need an observer, see New.
func Show(w io.Writer, run dmap.LiveRun, opts Options) {
	d := New(w, opts)
	defer d.Close()
	d.show(d.set.Add(run))
}

// interactive reports whether w is a terminal whose lines can be rewritten.
func interactive(w io.Writer) (*os.File, bool) {
	file, ok := w.(*os.File)
	return file, ok && isTerminal(file) && !dumb(os.Getenv("TERM")) && rewrites(file)
}
