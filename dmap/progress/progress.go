// Package progress shows how far a run is: one line that is rewritten on a terminal, a line every few seconds elsewhere.
package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// Intervals between two lines.
const (
	EveryTerminal = 250 * time.Millisecond
	EveryLog      = 10 * time.Second
)

// width is what a line on a terminal may take without being wrapped, which a carriage return could not take back.
const width = 79

// Run is what Show looks at: a *dmap.Run.
type Run interface {
	ID() string
	Stats() dmap.Stats
	Done() <-chan struct{}
}

// Options of Show. The zero value is valid.
type Options struct {
	Total int64         // items expected, for the percentage and the time left; 0: unknown, neither is shown
	Every time.Duration // between lines; 0: EveryTerminal on a terminal, else EveryLog
}

// Show writes the progress of run to w until the run has ended; the last line shows the end. It works on the caller's
// goroutine and never delays the run: errors of w are ignored.
//
// If w is a terminal, one line is rewritten; else each line stands alone, after the run's ID.
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
			p.print(line(s, opts.Total, r.add(s)))
		case <-run.Done():
			p.print(last(run.Stats()))
			p.end()
			return
		}
	}
}

// printer rewrites a line, or adds one.
type printer struct {
	w        io.Writer
	id       string
	terminal bool
	shown    int // columns of the line on the terminal
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

func (p *printer) end() {
	if p.terminal {
		fmt.Fprintln(p.w)
	}
}

// isTerminal also takes /dev/null for one, which does no harm.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
