// Package fingerprint hashes values by their content. The hash is the same in every process and
// on every machine, so a run that resumes can tell whether the items that it skips are the items
// that were settled.
//
// The hash is stored in run folders: another hash would make open runs impossible to resume. It
// guards against mistakes, not against somebody who looks for two values with the same hash.
package fingerprint

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Hash is the state of a hash over words of 64 bits. The zero Hash is the start. Two inputs of the
// same length that differ in one word never have the same Hash, because each round is a bijection
// of the state for a given word, and of the word for a given state.
type Hash uint64

// The primes of xxHash64, whose round this is, with prime3 against a state that zeros leave as it
// is. A round costs two multiplications for 8 bytes.
const (
	prime1 = 0x9E3779B185EBCA87
	prime2 = 0xC2B2AE3D27D4EB4F
	prime3 = 0x165667B19E3779F9
)

// Word adds a word.
func (h Hash) Word(w uint64) Hash {
	return Hash(bits.RotateLeft64(uint64(h)+w*prime2+prime3, 31) * prime1)
}

// Text adds the length and the bytes of s.
func (h Hash) Text(s string) Hash {
	h = h.Word(uint64(len(s)))
	for len(s) >= 8 {
		h = h.Word(word(s))
		s = s[8:]
	}
	if len(s) > 0 {
		var rest [8]byte
		copy(rest[:], s)
		h = h.Word(binary.LittleEndian.Uint64(rest[:]))
	}
	return h
}

// word is the first word of s. The compiler makes one load of it.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// mixed spreads the state over all bits, for sums of hashes whose order does not count.
func (h Hash) mixed() uint64 {
	x := uint64(h)
	x ^= x >> 33
	x *= prime2
	x ^= x >> 29
	x *= prime3
	return x ^ x>>32
}

// String is the hash as it is stored: 16 hexadecimal digits.
func (h Hash) String() string { return fmt.Sprintf("%016x", h.mixed()) }
