package failgroup

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

// normaliser copies a text once, from its start to its end, and replaces the variable parts. Every
// byte is looked at a bounded number of times.
type normaliser struct {
	text  string
	at    int // the next byte of text
	out   []byte
	limit int // of len(out)

	word     string  // the last word before at, with only spaces and punctuation after it
	unclosed [3]bool // by quote: no closing one follows
}

func (n *normaliser) run() {
	for n.at < len(n.text) && len(n.out) < n.limit {
		c := n.text[n.at]
		switch {
		case isWord(c):
			n.wordOrValue()
		case c == '"' || c == '\'' || c == '`':
			n.quote(c)
		case c == '[' && n.replace(bracketedAddress(n.text[n.at:]), "<addr>"):
		case c <= ' ' || c == 0x7f:
			n.space()
		case c < utf8.RuneSelf:
			n.out = append(n.out, c)
			n.at++
		default:
			n.rune()
		}
	}
}

// finish returns the output from start on, within the limit and without spaces around it.
func (n *normaliser) finish(start int) []byte {
	out := n.out[:min(len(n.out), n.limit)]
	for i := 0; i < utf8.UTFMax && len(out) > start; i++ { // half a rune at the limit
		if r, size := utf8.DecodeLastRune(out); r != utf8.RuneError || size > 1 {
			break
		}
		out = out[:len(out)-1]
	}
	return append(out[:start], bytes.TrimSpace(out[start:])...)
}

// replace appends a word in place of the next size bytes, unless size is 0.
func (n *normaliser) replace(size int, by string) bool {
	if size == 0 {
		return false
	}
	n.out = append(n.out, by...)
	n.at += size
	n.word = ""
	return true
}

// space makes one space of spaces and control characters.
func (n *normaliser) space() {
	if len(n.out) == 0 || n.out[len(n.out)-1] != ' ' {
		n.out = append(n.out, ' ')
	}
	n.at++
}

// rune copies a character, or one U+FFFD for bytes that are none.
func (n *normaliser) rune() {
	r, size := utf8.DecodeRuneInString(n.text[n.at:])
	n.at += size
	if r == utf8.RuneError && bytes.HasSuffix(n.out, []byte("\ufffd")) {
		return
	}
	n.out = utf8.AppendRune(n.out, r)
}

// quote replaces a quoted value. An apostrophe between words, or replaced values, is none.
func (n *normaliser) quote(c byte) {
	rest := n.text[n.at+1:]
	size := -1
	if c != '\'' || n.at == 0 || !isWord(n.text[n.at-1]) && n.text[n.at-1] != '>' {
		size = n.closing(c, rest)
	}
	n.out = append(n.out, c)
	n.at++
	if size < 0 {
		return
	}
	if size > 0 {
		n.out = append(n.out, "<value>"...)
	}
	n.out = append(n.out, c)
	n.at += size + 1
	n.word = ""
}

// closing is the length of a quoted value, -1 if the quote is not closed.
func (n *normaliser) closing(c byte, rest string) int {
	which := bytes.IndexByte([]byte("\"'`"), c)
	if n.unclosed[which] {
		return -1
	}
	for i := 0; i < len(rest); i++ {
		switch {
		case rest[i] == '\\' && c == '"':
			i++
		case rest[i] == c && (c != '\'' || i+1 == len(rest) || !isWord(rest[i+1]) && rest[i+1] != '<'):
			return i
		}
	}
	n.unclosed[which] = true
	return -1
}

// wordOrValue copies a word, or replaces the value that it is the start of.
func (n *normaliser) wordOrValue() {
	rest := n.text[n.at:]
	size := wordSize(rest)
	digits := countDigits(rest[:size])
	if digits == 0 { // most words
		switch {
		case n.replace(email(rest, size), "<addr>"), n.replace(ip6Size(rest), "<addr>"), n.replace(longIDSize(rest), "<id>"):
		case isHexID(rest[:size]):
			n.replace(size, "<n>")
		default:
			n.copyWord(rest[:size])
		}
		return
	}
	for _, v := range values {
		if n.replace(v.size(rest), v.word) {
			return
		}
	}
	if number := numberSize(rest); number > 0 {
		if n.keepsNumber(rest, number) {
			n.copyWord(rest[:number])
			return
		}
		n.replace(number, "<n>")
		return
	}
	if decimal := decimalSize(rest); decimal > size { // 1.5MB
		n.replace(decimal, "<n>")
		return
	}
	n.mixed(rest[:size], digits)
}

func (n *normaliser) copyWord(word string) {
	n.out = append(n.out, word...)
	n.at += len(word)
	n.word = word
}

// mixed appends a word of letters and digits: as an id, or with its digits replaced.
func (n *normaliser) mixed(word string, digits int) {
	if isHexID(word) { // as a number, because some of such ids have no letters
		n.replace(len(word), "<n>")
		return
	}
	if changes := classChanges(word); changes >= 3 && len(word) >= 8 || len(word) >= 12 && digits >= 4 && changes >= 2 {
		n.replace(len(word), "<id>")
		return
	}
	for i := 0; i < len(word); {
		start := i
		for i < len(word) && isDigit(word[i]) {
			i++
		}
		if i > start {
			n.out = append(n.out, "<n>"...)
			continue
		}
		n.out = append(n.out, word[i])
		i++
	}
	n.at += len(word)
	n.word = word
}

// keepsNumber reports whether the number at the start of rest is one that names an error: a code
// after a word such as "status", or an HTTP status before its text.
func (n *normaliser) keepsNumber(rest string, size int) bool {
	number := rest[:size]
	if size > 5 || strings.Trim(number, "0123456789") != "" {
		return false
	}
	switch strings.ToLower(n.word) {
	case "status", "code", "error", "errno", "sqlstate", "http":
		return true
	}
	code, _ := strconv.Atoi(number)
	text := http.StatusText(code)
	return size == 3 && text != "" && len(rest) > 4 && strings.HasPrefix(rest[4:], text) && ends(rest, 4+len(text))
}
