package runfolder

import "unicode/utf8"

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string that encoding/json reads back as s, with invalid UTF-8
// replaced by U+FFFD. HTML is not escaped; U+2028 and U+2029 are, as encoding/json does, because
// some readers take them for line ends.
func AppendString(dst []byte, s string) []byte {
	dst, _ = appendQuoted(dst, s)
	return dst
}

// appendQuoted is AppendString that also reports whether s is valid UTF-8.
func appendQuoted(dst []byte, s string) (out []byte, valid bool) {
	dst = append(dst, '"')
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return appendUnusual(append(dst, s[:i]...), s[i:])
		}
	}
	return append(append(dst, s...), '"'), true
}

// appendUnusual appends s, which begins with a character that may need an escape, and the closing
// quote.
func appendUnusual(dst []byte, s string) (out []byte, valid bool) {
	valid = true
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			dst = append(dst, s[start:i]...)
			dst = appendEscaped(dst, c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			valid = false
			dst = append(append(dst, s[start:i]...), `\ufffd`...)
			start = i + size
		case r == '\u2028' || r == '\u2029':
			dst = append(append(dst, s[start:i]...), `\u202`...)
			dst = append(dst, hexDigits[r&0xf])
			start = i + size
		}
		i += size
	}
	return append(append(dst, s[start:]...), '"'), valid
}

// appendEscaped appends a quote, a backslash or a control character.
func appendEscaped(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\t':
		return append(dst, '\\', 't')
	case '\r':
		return append(dst, '\\', 'r')
	default:
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
	}
}
