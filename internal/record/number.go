package record

// Int parses a decimal integer of at most 18 digits. ok is false for longer numbers and for text
// that is not a number: the caller uses strconv for these.
func Int(text []byte) (n int64, ok bool) {
	digits, negative := splitSign(text)
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	for _, c := range digits {
		if c -= '0'; c > 9 {
			return 0, false
		}
		n = n*10 + int64(c)
	}
	if negative {
		n = -n
	}
	return n, true
}

// Float parses a decimal number without exponent to a float of 32 or 64 bits. ok is false for text
// that is not a number, and for numbers with too many digits for a single correctly rounded
// division: the caller uses strconv for these.
func Float(text []byte, bits int) (f float64, ok bool) {
	digits, negative := splitSign(text)
	if len(digits) == 0 || len(digits) > 16 {
		return 0, false
	}
	n, whole := parseDigits(0, digits)
	fraction := 0
	if whole < len(digits) {
		fraction = len(digits) - whole - 1
		var decimals int
		n, decimals = parseDigits(n, digits[whole+1:])
		if digits[whole] != '.' || decimals < fraction || len(digits) == 1 {
			return 0, false
		}
	}
	switch {
	case bits == 32 && (n >= 1<<24 || fraction > 10):
		return 0, false
	case bits == 32:
		f = float64(float32(n) / float32(powers[fraction]))
	case n >= 1<<53:
		return 0, false
	default:
		f = float64(n) / powers[fraction]
	}
	if negative {
		f = -f
	}
	return f, true
}

// powers holds powers of ten, all exact in a float64. Those up to 1e10 are exact in a float32, too.
var powers = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16}

// parseDigits appends the leading digits of text to n, and returns the result and their number.
func parseDigits(n uint64, text []byte) (uint64, int) {
	for i, c := range text {
		if c -= '0'; c > 9 {
			return n, i
		}
		n = n*10 + uint64(c)
	}
	return n, len(text)
}

func splitSign(text []byte) (digits []byte, negative bool) {
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		return text[1:], text[0] == '-'
	}
	return text, false
}
