package listing

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// unescape returns the part of a key that fileblob stores under a name: the driver writes some
// characters as "__0x2f__". It allocates only if there are any.
func unescape(name string) string {
	at := strings.Index(name, "__0x")
	if at < 0 {
		return name
	}
	key := make([]byte, 0, len(name))
	for at >= 0 {
		key = append(key, name[:at]...)
		character, length := escaped(name[at:])
		if length == 0 {
			key, length = append(key, '_'), 1
		} else {
			key = utf8.AppendRune(key, character)
		}
		name = name[at+length:]
		at = strings.Index(name, "__0x")
	}
	return string(append(key, name...))
}

// escaped returns the character that the escape sequence at the start of s stands for, and the
// length of the sequence: 0 if s does not start with one.
func escaped(s string) (character rune, length int) {
	const open, end = len("__0x"), "__"
	digits, _, ok := strings.Cut(s[open:], "_")
	if !ok || !strings.HasPrefix(s[open+len(digits):], end) {
		return 0, 0
	}
	value, err := strconv.ParseInt(digits, 16, 32)
	if err != nil {
		return 0, 0
	}
	return rune(value), open + len(digits) + len(end)
}
