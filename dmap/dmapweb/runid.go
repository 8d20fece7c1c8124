package dmapweb

// isRunID reports whether a run may have this ID: it is a name in a bucket.
func isRunID(id string) bool {
	if id == "" || len(id) > 128 || id[0] == '.' {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '=', c == '-':
		default:
			return false
		}
	}
	return true
}
