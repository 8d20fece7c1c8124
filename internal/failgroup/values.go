package failgroup

import "strings"

// values are the variable parts of a text that start with a letter or a digit, in the order in
// which they are tried. size is the length of the value that s starts with, 0 if it is none.
//
//nolint:gochecknoglobals // a table that nothing changes
var values = []struct {
	word string
	size func(s string) int
}{
	{"<uuid>", uuidSize},
	{"<time>", timeSize},
	{"<addr>", ipSize},
	{"<addr>", func(s string) int { return email(s, 0) }},
	{"<hex>", prefixedHexSize},
	{"<duration>", durationSize},
	{"<id>", longIDSize},
}

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLower(c byte) bool  { return 'a' <= c && c <= 'z' }
func isUpper(c byte) bool  { return 'A' <= c && c <= 'Z' }
func isLetter(c byte) bool { return isLower(c) || isUpper(c) }
func isWord(c byte) bool   { return isLetter(c) || isDigit(c) || c == '_' }
func isHex(c byte) bool    { return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

// span is how many bytes s starts with that is holds for, at most most.
func span(s string, most int, is func(byte) bool) int {
	for i := range min(len(s), most) {
		if !is(s[i]) {
			return i
		}
	}
	return min(len(s), most)
}

func wordSize(s string) int { return span(s, len(s), isWord) }

func countDigits(s string) (n int) {
	for i := range len(s) {
		if isDigit(s[i]) {
			n++
		}
	}
	return n
}

// ends reports whether no word continues at s[i].
func ends(s string, i int) bool { return i >= len(s) || !isWord(s[i]) }

// shape matches s against a pattern in which x is a hexadecimal digit, d a digit, and any other
// byte itself.
func shape(s, pattern string) bool {
	if len(s) < len(pattern) {
		return false
	}
	for i := range len(pattern) {
		switch p := pattern[i]; {
		case p == 'x' && !isHex(s[i]), p == 'd' && !isDigit(s[i]), p != 'x' && p != 'd' && p != s[i]:
			return false
		}
	}
	return true
}

func uuidSize(s string) int {
	const pattern = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	if shape(s, pattern) && ends(s, len(pattern)) {
		return len(pattern)
	}
	return 0
}

// timeSize is the size of a date, a time of day, or both with a zone.
func timeSize(s string) int {
	n := 0
	if shape(s, "dddd-dd-dd") || shape(s, "dddd/dd/dd") {
		n = 10
		if len(s) <= n || s[n] != 'T' && s[n] != ' ' || !shape(s[n+1:], "dd:dd:dd") {
			if !ends(s, n) {
				return 0
			}
			return n
		}
		n++
	}
	if !shape(s[n:], "dd:dd:dd") {
		return 0
	}
	n += 8
	if n+1 < len(s) && (s[n] == '.' || s[n] == ',') && isDigit(s[n+1]) {
		n += 1 + span(s[n+1:], 9, isDigit)
	}
	switch {
	case n < len(s) && s[n] == 'Z':
		n++
	case n < len(s) && (s[n] == '+' || s[n] == '-') && shape(s[n+1:], "dd:dd"):
		n += 6
	case n < len(s) && (s[n] == '+' || s[n] == '-') && shape(s[n+1:], "dddd"):
		n += 5
	}
	if !ends(s, n) {
		return 0
	}
	return n
}

// portSize is the size of a port with its colon.
func portSize(s string) int {
	if len(s) < 2 || s[0] != ':' {
		return 0
	}
	n := span(s[1:], 5, isDigit)
	if n == 0 || !ends(s, 1+n) {
		return 0
	}
	return 1 + n
}

// ipSize is the size of an IP address with its port.
func ipSize(s string) int {
	n := 0
	for part := range 4 {
		if part > 0 {
			if n >= len(s) || s[n] != '.' {
				return ip6Size(s)
			}
			n++
		}
		digits := span(s[n:], 4, isDigit)
		if digits == 0 || digits > 3 {
			return ip6Size(s)
		}
		n += digits
	}
	if !ends(s, n) {
		return 0
	}
	return n + portSize(s[n:])
}

// ip6Size is the size of an IPv6 address that has "::", or eight groups.
func ip6Size(s string) int {
	n := span(s, 40, func(c byte) bool { return isHex(c) || c == ':' })
	if n < 4 || n > 39 || !ends(s, n) || strings.Count(s[:n], ":") != 7 && !strings.Contains(s[:n], "::") || s[n-1] == ':' && s[n-2] != ':' {
		return 0
	}
	return n
}

// bracketedAddress is the size of an IPv6 address in brackets, with its port.
func bracketedAddress(s string) int {
	n := 1 + span(s[1:], 40, func(c byte) bool { return isHex(c) || c == ':' })
	if n >= len(s) || s[n] != ']' || strings.Count(s[1:n], ":") < 2 {
		return 0
	}
	return n + 1 + portSize(s[n+1:])
}

// email is the size of an address with an @. from is where its first word ends.
func email(s string, from int) int {
	const most = 64
	local := func(c byte) bool { return isWord(c) || c == '.' || c == '+' || c == '-' || c == '%' }
	n := from + span(s[from:], most, local)
	if n >= len(s) || s[n] != '@' {
		return 0
	}
	domain := span(s[n+1:], 4*most, func(c byte) bool { return isWord(c) || c == '.' || c == '-' })
	if !strings.Contains(s[n+1:n+1+domain], ".") || !isLetter(s[n+domain]) {
		return 0
	}
	return n + 1 + domain
}

// prefixedHexSize is the size of a number such as 0xc000012345.
func prefixedHexSize(s string) int {
	if !strings.HasPrefix(s, "0x") && !strings.HasPrefix(s, "0X") {
		return 0
	}
	n := 2 + span(s[2:], len(s), isHex)
	if n == 2 || !ends(s, n) {
		return 0
	}
	return n
}

// durationSize is the size of a duration as Go prints it, such as 1m30.5s.
func durationSize(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		i := n + decimalSize(s[n:])
		unit := durationUnit(s[i:])
		if unit == 0 {
			return 0
		}
		n = i + unit
	}
	if n == 0 || !ends(s, n) {
		return 0
	}
	return n
}

// durationUnit is the size of the unit that s starts with.
func durationUnit(s string) int {
	for _, unit := range [...]string{"ms", "us", "µs", "μs", "ns", "h", "m", "s"} {
		if strings.HasPrefix(s, unit) {
			return len(unit)
		}
	}
	return 0
}

// decimalSize is the size of digits with at most one point between them.
func decimalSize(s string) int {
	n := span(s, len(s), isDigit)
	if n+1 < len(s) && s[n] == '.' && isDigit(s[n+1]) {
		n += 1 + span(s[n+1:], len(s), isDigit)
	}
	return n
}

// numberSize is the size of a number that no letter follows: 7, 1,000.5, 3e-9.
func numberSize(s string) int {
	n := span(s, len(s), isDigit)
	if n == 0 {
		return 0
	}
	for n+1 < len(s) && (s[n] == '.' || s[n] == ',') && isDigit(s[n+1]) {
		n += 1 + span(s[n+1:], len(s), isDigit)
	}
	if e := n; e < len(s) && (s[e] == 'e' || s[e] == 'E') {
		e++
		if e < len(s) && (s[e] == '+' || s[e] == '-') {
			e++
		}
		if exponent := span(s[e:], len(s), isDigit); exponent > 0 {
			n = e + exponent
		}
	}
	if !ends(s, n) {
		return 0
	}
	return n
}

// classChanges counts how often a word changes between letters and digits.
func classChanges(word string) (n int) {
	for i := 1; i < len(word); i++ {
		if isDigit(word[i]) != isDigit(word[i-1]) {
			n++
		}
	}
	return n
}

// isHexID reports whether a word with digits is a hexadecimal id.
func isHexID(word string) bool { return len(word) >= 8 && span(word, len(word), isHex) == len(word) }

// longIDSize is the size of an id in base 64: at least 20 characters that change often between
// upper case, lower case and digits.
func longIDSize(s string) int {
	const least, most = 20, 256
	n := span(s, most, func(c byte) bool { return isWord(c) || c == '+' || c == '/' || c == '-' || c == '=' })
	if n < least || n == most {
		return 0
	}
	var seen [4]bool
	changes := 0
	before := kindOf(s[0])
	for i := range n {
		kind := kindOf(s[i])
		seen[kind] = true
		if kind != before {
			changes++
		}
		before = kind
	}
	if !seen[aDigit] || !seen[aLower] || !seen[anUpper] || changes*5 < n*2 {
		return 0
	}
	return n
}

// Kinds of characters of an id.
const (
	aDigit = iota
	aLower
	anUpper
	another
)

func kindOf(c byte) int {
	switch {
	case isDigit(c):
		return aDigit
	case isLower(c):
		return aLower
	case isUpper(c):
		return anUpper
	}
	return another
}
