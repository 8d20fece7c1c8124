package listing

import "math/bits"

// byteSet is a set of bytes. The zero value is empty.
type byteSet [4]uint64

// bytesOf returns the set of the bytes of text.
func bytesOf(text string) (s byteSet) {
	for i := range len(text) {
		s.add(text[i])
	}
	return s
}

func (s *byteSet) add(b byte)      { s[b>>6] |= 1 << (b & 63) }
func (s *byteSet) remove(b byte)   { s[b>>6] &^= 1 << (b & 63) }
func (s *byteSet) has(b byte) bool { return s[b>>6]&(1<<(b&63)) != 0 }

func (s *byteSet) len() int {
	return bits.OnesCount64(s[0]) + bits.OnesCount64(s[1]) + bits.OnesCount64(s[2]) + bits.OnesCount64(s[3])
}

// below returns the number of members less than b.
func (s *byteSet) below(b byte) int {
	n := 0
	for i := range int(b >> 6) {
		n += bits.OnesCount64(s[i])
	}
	return n + bits.OnesCount64(s[b>>6]&(1<<(b&63)-1))
}

// subsetOf reports whether o has all members of s.
func (s *byteSet) subsetOf(o *byteSet) bool {
	return s[0]&^o[0] == 0 && s[1]&^o[1] == 0 && s[2]&^o[2] == 0 && s[3]&^o[3] == 0
}

// unite adds the members of o to s.
func (s *byteSet) unite(o *byteSet) {
	for i := range s {
		s[i] |= o[i]
	}
}

// lowest returns the smallest member, 0 for the empty set.
func (s *byteSet) lowest() byte { return s.nth(0) }

// highest returns the largest member, 0 for the empty set.
func (s *byteSet) highest() byte {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] != 0 {
			return byte(i*64 + bits.Len64(s[i]) - 1)
		}
	}
	return 0
}

// nth returns the member with n smaller ones, 0 if the set has no more than n.
func (s *byteSet) nth(n int) byte {
	for i, word := range s {
		if size := bits.OnesCount64(word); n >= size {
			n -= size
			continue
		}
		for ; n > 0; n-- {
			word &= word - 1 // drops the lowest member
		}
		return byte(i*64 + bits.TrailingZeros64(word))
	}
	return 0
}
