package listing

import "unicode/utf8"

// alphabet holds the statistics of every position of the keys under a prefix, for all readers of a
// Lister.
type alphabet struct {
	prefixLen int               // bytes that all keys share
	levels    [][]positionStats // by directory level and position in it
}

// position is the place of a byte in a key: the directory level, and the index within it.
type position struct{ depth, index int }

// prefixDepth is the depth of the bytes of the common prefix.
const prefixDepth = -1

// Positions further down are not worth a split.
const (
	maxDepth = 32
	maxIndex = 1024
)

// after returns the position of the byte that follows b.
func (p position) after(b byte) position {
	if b == '/' {
		return position{p.depth + 1, 0}
	}
	return position{p.depth, p.index + 1}
}

// positions returns the position of each byte of key, in the memory of buf.
func (a *alphabet) positions(key string, buf []position) []position {
	buf = buf[:0]
	next := position{}
	for i := range len(key) {
		if i < a.prefixLen {
			buf = append(buf, position{depth: prefixDepth})
			continue
		}
		buf = append(buf, next)
		next = next.after(key[i])
	}
	return buf
}

// lookup returns the statistics of a position, nil if no key has a byte there.
func (a *alphabet) lookup(p position) *positionStats {
	if p.depth < 0 || p.depth >= len(a.levels) || p.index >= len(a.levels[p.depth]) {
		return nil
	}
	return &a.levels[p.depth][p.index]
}

// ensure returns the statistics of a position to write to, nil if the position is too far down or
// in the prefix. The pointer is valid until the next call.
func (a *alphabet) ensure(p position) *positionStats {
	if p.depth < 0 || p.depth >= maxDepth || p.index >= maxIndex {
		return nil
	}
	for p.depth >= len(a.levels) {
		a.levels = append(a.levels, nil)
	}
	for p.index >= len(a.levels[p.depth]) {
		a.levels[p.depth] = append(a.levels[p.depth], positionStats{})
	}
	return &a.levels[p.depth][p.index]
}

const (
	digits = "0123456789"
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// classes are the sets of characters that words in keys are made of, subsets first: one digit at a
// position makes the other digits likely.
var classes = []byteSet{
	bytesOf(digits), bytesOf(digits + "abcdef"), bytesOf(digits + "ABCDEF"), bytesOf(lower), bytesOf(upper),
	bytesOf(digits + lower), bytesOf(digits + upper), bytesOf(digits + lower + upper),
}

// Bytes of UTF-8. The leading bytes are those of the scripts that people write.
var (
	leadingBytes      = bytesOf("\xc3\xc4\xc5\xce\xcf\xd0\xd1\xd7\xd8\xd9\xe0\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xeb\xec\xf0")
	continuationBytes = byteSet{2: ^uint64(0)}
)

func alphanumeric(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

// likely returns the bytes that keys may have at position i of key besides those seen: the smallest
// class with all bytes that were seen there and at the varying positions of the same word.
// Punctuation does not vary.
func (a *alphabet) likely(key string, positions []position, i int) byteSet {
	stats := a.lookup(positions[i])
	switch {
	case stats == nil:
		return byteSet{}
	case key[i] >= utf8.RuneSelf && utf8.RuneStart(key[i]):
		return leadingBytes
	case key[i] >= utf8.RuneSelf:
		return continuationBytes
	case !alphanumeric(key[i]):
		return byteSet{}
	}
	union := stats.seen
	for _, step := range []int{-1, 1} {
		for j := i + step; j >= a.prefixLen && j < len(key) && alphanumeric(key[j]); j += step {
			if near := a.lookup(positions[j]); near != nil && near.seen.len() > 1 {
				union.unite(&near.seen)
			}
		}
	}
	for b := range 256 { // the word may end here in another key
		if !alphanumeric(byte(b)) {
			union.remove(byte(b))
		}
	}
	for _, class := range classes {
		if union.subsetOf(&class) {
			return class
		}
	}
	return byteSet{}
}
