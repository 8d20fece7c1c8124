package progress

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-dmap/dmap/internal/scrub"
	"github.com/go-dmap/dmap/internal/watch"
)

// line is a line of a terminal. Its text has no control characters once it is fitted.
type line struct {
	text  string
	style style
}

// style is the parameter of the escape sequence for a color; empty: none.
type style string

const (
	dim    style = "2"
	bold   style = "1"
	green  style = "32"
	yellow style = "33"
	red    style = "31"
)

// toneStyle is the color of a state.
func toneStyle(t watch.Tone) style {
	switch t {
	case watch.ToneGood:
		return green
	case watch.ToneWait:
		return yellow
	case watch.ToneBad:
		return red
	default:
		return bold
	}
}

// colored is the line with its color.
func (l line) colored(color bool) string {
	if !color || l.style == "" || l.text == "" {
		return l.text
	}
	return "\x1b[" + string(l.style) + "m" + l.text + "\x1b[0m"
}

const maxLines = 6

// fitted is the list without control characters, clipped to a terminal of this size; rows 0: of any
// height. The last column stays empty: a terminal wraps after it.
func fitted(list []line, columns, rows int) []line {
	most := maxLines
	if rows > 0 {
		most = max(1, min(most, rows-1))
	}
	list = list[:min(len(list), most)]
	for i := range list {
		list[i].text = clipped(scrub.Printable(list[i].text, false), columns-1)
	}
	return list
}

// clipped is at most columns columns of s, with an ellipsis where something is left out.
func clipped(s string, columns int) string {
	if columns <= 0 {
		return ""
	}
	if len(s) <= columns || columnsOf(s) <= columns {
		return s
	}
	const more = "..."
	if columns <= len(more) {
		return more[:columns]
	}
	used := 0
	for i, r := range s {
		used += columnsOfRune(r)
		if used > columns-len(more) {
			return strings.TrimRight(s[:i], " ") + more
		}
	}
	return s
}

// columnsOf is the number of columns of s, or more.
func columnsOf(s string) int {
	n := 0
	for _, r := range s {
		n += columnsOfRune(r)
	}
	return n
}

// columnsOfRune is the number of columns of r, or more: no table of a terminal is known here, and a
// line that is too short does less harm than one that wraps.
func columnsOfRune(r rune) int {
	switch {
	case r < 0x1100 && r != utf8.RuneError:
		return 1 // also of marks that have none
	case r < 0x2e80 && !unicode.Is(unicode.So, r) && r >= 0x2000:
		return 1 // punctuation, arrows, boxes
	default:
		return 2
	}
}
