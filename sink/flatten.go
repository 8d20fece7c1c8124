package sink

// elements calls yield with each element of array, which is a valid JSON array without white space
// between tokens, as encoding/json writes it.
func elements(array []byte, yield func(element []byte)) {
	depth, start := 0, 1
	for i := 1; i < len(array); i++ {
		switch c := array[i]; {
		case c == '"':
			i = stringEnd(array, i)
		case c == '[' || c == '{':
			depth++
		case depth > 0 && (c == ']' || c == '}'):
			depth--
		case depth == 0 && (c == ',' || c == ']'):
			if i > start {
				yield(array[start:i])
			}
			start = i + 1
		}
	}
}

// stringEnd is the position of the quote that closes the string which opens at i.
func stringEnd(text []byte, i int) int {
	for i++; i < len(text) && text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i
}
