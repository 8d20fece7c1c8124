// Package scrub makes texts that came from outside fit to be stored, logged and returned: without
// secrets, without characters that a terminal obeys, and of bounded length.
//
// It knows secrets by their form, not by their value: the query and the user information of URLs,
// values with names such as AccountKey, sig or password, bearer tokens and private keys. A secret
// of another form, such as a password in a sentence, remains.
package scrub

import (
	"strings"
	"unicode/utf8"
)

// slack is the number of bytes beyond the limit in which Text looks for the rest of a secret.
const slack = 8 << 10

// Text is s without secrets and control characters, in valid UTF-8 and in at most most bytes. Line
// feeds and tabs remain. It takes time and memory in proportion to most, however long s is.
func Text(s string, most int) string {
	whole := len(s) <= most+slack
	if !whole {
		s = strings.Clone(withoutCutSecret(s[:most+slack])) // the rest is not kept in memory
	}
	return Clip(Printable(Secrets(s), true), most)
}

// withoutCutSecret drops the last word of a text that was shortened if it may be a part of a secret
// that cannot be recognized without its end, such as the password of a URL before its "@".
func withoutCutSecret(s string) string {
	at := strings.LastIndexAny(s, " \t\r\n\"'`") + 1
	if word := s[at:]; strings.Contains(word, "://") || strings.Contains(word, "----") {
		return s[:at]
	}
	return s
}

// Clip returns at most n bytes of s, valid UTF-8 and ending with a whole character.
func Clip(s string, n int) string {
	if len(s) > n {
		end := n
		for end > 0 && end > n-utf8.UTFMax && !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end]
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > n { // three bytes for each bad one
		return Clip(s, n)
	}
	return s
}

// Clipped returns at most n bytes of s, which need not be valid UTF-8.
func Clipped(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.Clone(s[:n])
}

// Word is s as it may stand in a text: as it is if all its characters are harmless and visible, and
// quoted otherwise, as a Go string.
func Word(s string) string {
	if harmless(s, false) {
		return s
	}
	return quoted(s)
}
