// Package progress shows the progress of a run: one rewritten line on a terminal, else one line
// every few seconds.
package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// Default times between two lines.
const (
	EveryTerminal = 250 * time.Millisecond
	EveryLog      = 10 * time.Second
)

// width is the maximum length of a line on a terminal. A longer line would be wrapped, and a
// carriage return could not rewrite it.
const width = 79

// Run is the part of *dmap.Run that Show needs.
type Run interface {
	ID() string
	Stats() dmap.Stats
	Done() <-chan struct{}
}

// Options configures Show. The zero value is valid.
type Options struct {
	// Total is the expected number of items, for the percentage and the remaining time. 0: unknown,
	// neither is shown.
	Total int64
	// Every is the time between two lines. 0: EveryTerminal on a terminal, else EveryLog.
	Every time.Duration
}

// Show writes the progress of run to w until the run has ended. The last line shows the final
// counts. Show runs on the caller's goroutine and never delays the run. It ignores errors of w.
//
// If w is a terminal, one line is rewritten. Otherwise each line is complete and starts with the
// run's ID.
func Show(w io.Writer, run Run, opts Options) {
	show(w, run, opts, isTerminal(w))
}

func show(w io.Writer, run Run, opts Options, terminal bool) {
	every := opts.Every
	switch {
	case every > 0:
	case terminal:
		every = EveryTerminal
	default:
		every = EveryLog
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	p := printer{w: w, id: run.ID(), terminal: terminal}
	var r rate
	for {
		select {
		case <-ticker.C:
			s := run.Stats()
			p.print(progressLine(s, opts.Total, r.add(s)))
		case <-run.Done():
			p.print(finalLine(run.Stats()))
			p.finish()
			return
		}
	}
}

// printer rewrites one line on a terminal, or else appends lines.
type printer struct {
	w        io.Writer
	id       string
	terminal bool
	shown    int // length of the line on the terminal
}

func (p *printer) print(text string) {
	if !p.terminal {
		fmt.Fprintf(p.w, "%s: %s\n", p.id, text)
		return
	}
	if len(text) > width {
		text = text[:width]
	}
	fmt.Fprintf(p.w, "\r%s%s", text, strings.Repeat(" ", max(0, p.shown-len(text))))
	p.shown = len(text)
}

func (p *printer) finish() {
	if p.terminal {
		fmt.Fprintln(p.w)
	}
}

// isTerminal reports whether w is a character device. This includes /dev/null, which does no harm.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
