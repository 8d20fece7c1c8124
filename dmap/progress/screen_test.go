package progress

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// screen is a terminal: it shows the text that is written to it. Rows that have scrolled away stay.
type screen struct {
	mu       sync.Mutex // guards the fields below
	columns  int
	rows     [][]rune
	styles   map[[2]int]style // of a cell by row and column; cells without one are left out
	style    style
	row, col int
	wrong    []string // sequences that the package must not write
	writes   int
}

func newScreen(columns int) *screen {
	return &screen{columns: columns, rows: [][]rune{nil}, styles: map[[2]int]style{}}
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	text := string(p)
	for text != "" {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == '\x1b':
			size = s.escape(text)
		case r == '\r':
			s.col = 0
		case r == '\n':
			s.down()
			s.col = 0 // as the terminal does: ONLCR
		case r < ' ' || r == 0x7f || r == utf8.RuneError && size == 1:
			s.wrong = append(s.wrong, fmt.Sprintf("%q", r))
		default:
			s.put(r)
		}
		text = text[size:]
	}
	return len(p), nil
}

func (s *screen) down() {
	if s.row++; s.row == len(s.rows) {
		s.rows = append(s.rows, nil)
	}
}

func (s *screen) put(r rune) {
	width := 1
	if r >= 0x1100 {
		width = 2
	}
	if s.col+width > s.columns {
		s.down()
		s.col = 0
	}
	for range width {
		for len(s.rows[s.row]) <= s.col {
			s.rows[s.row] = append(s.rows[s.row], ' ')
		}
		s.rows[s.row][s.col] = r
		delete(s.styles, [2]int{s.row, s.col})
		if s.style != "" {
			s.styles[[2]int{s.row, s.col}] = s.style
		}
		s.col++
		r = 0
	}
}

// escape obeys the sequence at the start of text, and returns its length.
func (s *screen) escape(text string) int {
	end := strings.IndexAny(text, "ABCDHJKmhl")
	if !strings.HasPrefix(text, "\x1b[") || end < 0 {
		s.wrong = append(s.wrong, fmt.Sprintf("%.10q", text))
		return 1
	}
	n, _ := strconv.Atoi(text[2:end])
	switch text[end] {
	case 'A':
		s.row = max(0, s.row-max(1, n))
	case 'K':
		if s.col < len(s.rows[s.row]) {
			s.rows[s.row] = s.rows[s.row][:s.col]
		}
	case 'J':
		if s.col < len(s.rows[s.row]) {
			s.rows[s.row] = s.rows[s.row][:s.col]
		}
		s.rows = s.rows[:s.row+1]
	case 'm':
		if s.style = style(text[2:end]); s.style == "0" {
			s.style = ""
		}
	default:
		s.wrong = append(s.wrong, fmt.Sprintf("%q", text[:end+1]))
	}
	return end + 1
}

// resize makes the screen as wide as that, and wraps its text anew, as most terminals do.
func (s *screen) resize(columns int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.shown()
	row := s.row
	s.columns, s.rows, s.row, s.col = columns, [][]rune{nil}, 0, 0
	for i, text := range before {
		if i > 0 {
			s.down()
			s.col = 0
		}
		for _, r := range text {
			s.put(r)
		}
		if i == row {
			at, col := s.row, s.col
			defer func() { s.row, s.col = at, col }()
		}
	}
}

// lines is the text on the screen, without the spaces at the ends of lines.
func (s *screen) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown()
}

// size is that of the screen.
func (s *screen) size() (columns, rows int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.columns, 50
}

func (s *screen) shown() (list []string) {
	for _, row := range s.rows {
		list = append(list, strings.TrimRight(strings.ReplaceAll(string(row), "\x00", ""), " "))
	}
	return list
}
