package progress

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-dmap/dmap/internal/watch"
)

// block rewrites lines on a terminal. Between two writes the cursor is at the end of the last line.
type block struct {
	w     io.Writer
	size  func() (columns, rows int)
	color bool
	hint  func() (note, keys string)

	shown []string // without colors
}

// update rewrites the lines: those of the newest run.
func (b *block) update(runs []*watch.Collector, now time.Time) {
	s := runs[len(runs)-1].Snapshot()
	columns, rows := b.size()
	list := liveLines(&s, now, len(runs)-1, columns)
	note, keys := b.hint()
	list[len(list)-1] = lastLine(list[len(list)-1], note, keys, columns)
	b.draw(fitted(list, columns, rows))
}

// final writes the last lines of a run, which stay.
func (b *block) final(c *watch.Collector, _ time.Time) {
	s := c.Snapshot()
	columns, _ := b.size()
	b.draw(fitted(finalLines(&s, columns), columns, 0))
	b.leave()
}

// leave moves the cursor to the line after those that are shown.
func (b *block) leave() {
	if len(b.shown) > 0 {
		_, _ = io.WriteString(b.w, "\r\n")
	}
	b.shown = nil
}

// write writes p above the lines, and these again.
func (b *block) write(p []byte) (int, error) {
	var out strings.Builder
	out.WriteString(b.erased())
	out.Write(p)
	if n := len(p); n > 0 && p[n-1] != '\n' && b.shown != nil {
		out.WriteByte('\n')
	}
	again := b.shown
	b.shown = nil
	_, err := io.WriteString(b.w, out.String())
	if again != nil {
		plain := make([]line, len(again))
		for i, text := range again {
			plain[i].text = text
		}
		b.draw(plain)
	}
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// draw rewrites the lines in one write, so that nothing flickers.
func (b *block) draw(list []line) {
	var out strings.Builder
	out.WriteString(b.home())
	b.shown = b.shown[:0]
	for i, l := range list {
		if i > 0 {
			out.WriteString("\r\n")
		}
		out.WriteString(l.colored(b.color))
		out.WriteString("\x1b[K")
		b.shown = append(b.shown, l.text)
	}
	out.WriteString("\x1b[J")
	_, _ = io.WriteString(b.w, out.String())
}

// home moves the cursor to the start of the first line. A terminal that has become narrower has
// wrapped the lines.
func (b *block) home() string {
	columns, _ := b.size()
	rows := 0
	for _, text := range b.shown {
		rows += max(1, (columnsOf(text)+columns-1)/columns)
	}
	if rows > 1 {
		return fmt.Sprintf("\r\x1b[%dA", rows-1)
	}
	return "\r"
}

// erased removes the lines.
func (b *block) erased() string {
	if b.shown == nil {
		return ""
	}
	return b.home() + "\x1b[J"
}
