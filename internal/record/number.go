package record

// Int is the number that text is in decimal, if it has at most 18 digits. What is left to strconv: longer ones, and to say
// what is wrong with a text that is none.
func Int(text []byte) (n int64, ok bool) {
	digits, negative := unsigned(text)
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

// Float is the number that text is in decimal, if it has no exponent and so few digits that one division rounds it
// rightly: for bits 32 as for bits 64.
func Float(text []byte, bits int) (f float64, ok bool) {
	digits, negative := unsigned(text)
	if len(digits) == 0 || len(digits) > 16 {
		return 0, false
	}
	n, whole := leading(0, digits)
	fraction := 0
	if whole < len(digits) {
		fraction = len(digits) - whole - 1
		var behind int
		n, behind = leading(n, digits[whole+1:])
		if digits[whole] != '.' || behind < fraction || len(digits) == 1 {
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

// powers of ten, which are all exact. Those up to 10 are so in a float32 too.
var powers = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16}

// leading goes on with n by the digits that text begins with, and says how many they are.
func leading(n uint64, text []byte) (uint64, int) {
	for i, c := range text {
		if c -= '0'; c > 9 {
			return n, i
		}
		n = n*10 + uint64(c)
	}
	return n, len(text)
}

func unsigned(text []byte) (digits []byte, negative bool) {
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		return text[1:], text[0] == '-'
	}
	return text, false
}
