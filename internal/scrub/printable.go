package scrub

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable is s with the characters that a terminal, or the reader of a line, takes for something
// else written as escapes: control characters, such as those that begin a terminal escape, and
// characters that change the direction of text or are not visible. Invalid UTF-8 becomes U+FFFD.
// lines keeps line feeds and tabs.
func Printable(s string, lines bool) string {
	if harmless(s, lines) {
		return s
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case dangerous(r) && !(lines && (r == '\n' || r == '\t')):
			escaped := strconv.QuoteRuneToASCII(r)
			b.WriteString(escaped[1 : len(escaped)-1])
		default:
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String()
}

// harmless reports whether Printable returns s as it is.
func harmless(s string, lines bool) bool {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if (c < 0x20 || c == 0x7f) && !(lines && (c == '\n' || c == '\t')) {
				return false
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || dangerous(r) {
			return false
		}
		i += size
	}
	return true
}

// dangerous reports whether r is a control character, a line or paragraph separator, or a format
// character. Of the latter the joiners of emoji and of some scripts are part of words.
func dangerous(r rune) bool {
	switch r {
	case '\u200c', '\u200d', '\u00ad':
		return false
	}
	return unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
}

// quoted is s as a Go string.
func quoted(s string) string { return strconv.Quote(s) }
