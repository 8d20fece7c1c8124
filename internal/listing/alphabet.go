package listing

import (
	"math/bits"
	"unicode/utf8"
)

// Where to cut a listing is a guess: the keys are not known yet. It needs no check, because ranges tile the space of all
// keys whatever lies in them; a bad guess costs a request. It follows from what is known of each place, that is of each
// position of each directory level: which bytes keys have there, and how often one comes after another (place.go).

// Directory levels, and positions in one, further down tell nothing that is worth a cut.
const (
	maxDepth    = 32
	maxPosition = 1024
)

// set is a set of bytes.
type set [4]uint64

func (s *set) add(b byte)      { s[b>>6] |= 1 << (b & 63) }
func (s *set) has(b byte) bool { return s[b>>6]&(1<<(b&63)) != 0 }

func (s *set) len() int {
	return bits.OnesCount64(s[0]) + bits.OnesCount64(s[1]) + bits.OnesCount64(s[2]) + bits.OnesCount64(s[3])
}

// below is how many members are less than b.
func (s *set) below(b byte) int {
	n := 0
	for i := range int(b >> 6) {
		n += bits.OnesCount64(s[i])
	}
	return n + bits.OnesCount64(s[b>>6]&(1<<(b&63)-1))
}

// within says whether all of s are in o.
func (s *set) within(o *set) bool {
	return s[0]&^o[0] == 0 && s[1]&^o[1] == 0 && s[2]&^o[2] == 0 && s[3]&^o[3] == 0
}

func (s *set) unite(o *set) {
	for i := range s {
		s[i] |= o[i]
	}
}

func members(text string) (s set) {
	for i := range len(text) {
		s.add(text[i])
	}
	return s
}

// alphabet is what is known of all places of the keys under a prefix.
type alphabet struct {
	prefix  int // its length
	levels  [][]place
	classes []set
}

// spot is where a byte of a key stands.
type spot struct{ depth, position int }

// after is the spot of the byte behind b.
func (s spot) after(b byte) spot {
	if b == '/' {
		return spot{s.depth + 1, 0}
	}
	return spot{s.depth, s.position + 1}
}

// spots returns the spot of each byte of key; those of the prefix are below zero.
func (a *alphabet) spots(key string, into []spot) []spot {
	into = into[:0]
	next := spot{}
	for i := range len(key) {
		if i < a.prefix {
			into = append(into, spot{depth: -1})
			continue
		}
		into = append(into, next)
		next = next.after(key[i])
	}
	return into
}

// at returns the place of a spot, nil if nothing is known of it.
func (a *alphabet) at(s spot) *place {
	if s.depth < 0 || s.depth >= len(a.levels) || s.position >= len(a.levels[s.depth]) {
		return nil
	}
	return &a.levels[s.depth][s.position]
}

// note returns the place of a spot to write to, nil if it lies too far down.
func (a *alphabet) note(s spot) *place {
	if s.depth < 0 || s.depth >= maxDepth || s.position >= maxPosition {
		return nil
	}
	for s.depth >= len(a.levels) {
		a.levels = append(a.levels, nil)
	}
	for s.position >= len(a.levels[s.depth]) {
		a.levels[s.depth] = append(a.levels[s.depth], place{})
	}
	return &a.levels[s.depth][s.position]
}

// classes are the alphabets that keys are made of: a digit at one place means that there may be others.
func classes() []set {
	const digits, lower, upper = "0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	return []set{
		members(digits), members(digits + "abcdef"), members(digits + "ABCDEF"), members(lower), members(upper),
		members(digits + lower), members(digits + upper), members(digits + lower + upper),
	}
}

func alphanumeric(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

// likely returns the bytes that may stand at place i of key beside those seen: the smallest class that has all that vary
// in the same word. Punctuation stays what it is.
func (a *alphabet) likely(key string, spots []spot, i int) set {
	p := a.at(spots[i])
	if p != nil && key[i] >= utf8.RuneSelf {
		if !utf8.RuneStart(key[i]) {
			return set{2: ^uint64(0)}
		}
		return members("\xc3\xc4\xc5\xce\xcf\xd0\xd1\xd7\xd8\xd9\xe0\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xeb\xec\xf0")
	}
	if p == nil || !alphanumeric(key[i]) {
		return set{}
	}
	union := p.seen
	for _, step := range []int{-1, 1} {
		for j := i + step; j >= a.prefix && j < len(key) && alphanumeric(key[j]); j += step {
			if near := a.at(spots[j]); near != nil && near.seen.len() > 1 {
				union.unite(&near.seen)
			}
		}
	}
	for b := range 256 { // a word may end here in another key
		if union.has(byte(b)) && !alphanumeric(byte(b)) {
			union[b>>6] &^= 1 << (b & 63)
		}
	}
	if a.classes == nil {
		a.classes = classes()
	}
	for _, class := range a.classes {
		if union.within(&class) {
			return class
		}
	}
	return set{}
}
