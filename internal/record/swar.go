package record

import (
	"encoding/binary"
	"math/bits"
)

// The functions in this file scan text in blocks of 64 bytes (SIMD within a register). Their result
// is a mask: a word with one bit for each byte of the block, bit 0 for the first byte. A mask is
// combined from eight words of eight bytes without a loop, so that all shifts are constants. To
// find a rare byte, bytes.IndexByte is faster.
const block = 64

const (
	allHigh = 0x8080808080808080
	allLow7 = 0x7f7f7f7f7f7f7f7f
)

// repeat8 returns a word whose eight bytes are all c.
func repeat8(c byte) uint64 { return uint64(c) * 0x0101010101010101 }

// matches returns the mask of the bytes of b that equal a byte, which is passed as repeat8(byte).
func matches(b *[block]byte, c uint64) uint64 {
	return ^(mismatches(b[0:8], c) | mismatches(b[8:16], c)<<8 | mismatches(b[16:24], c)<<16 | mismatches(b[24:32], c)<<24 |
		mismatches(b[32:40], c)<<32 | mismatches(b[40:48], c)<<40 | mismatches(b[48:56], c)<<48 | mismatches(b[56:64], c)<<56)
}

// mismatches returns eight bits: those of the bytes of b that do not equal c.
func mismatches(b []byte, c uint64) uint64 {
	x := binary.LittleEndian.Uint64(b) ^ c
	x |= x&allLow7 + allLow7                        // sets the high bit of each byte of x that is not zero
	return (x & allHigh) * 0x0002040810204081 >> 56 // moves these eight bits next to each other
}

// matchesFolded is like matches for a byte of { | } ~, but also matches the byte without bit 0x20:
// one of [ \ ] ^.
func matchesFolded(b *[block]byte, c uint64) uint64 {
	return ^(mismatchesFolded(b[0:8], c) | mismatchesFolded(b[8:16], c)<<8 | mismatchesFolded(b[16:24], c)<<16 | mismatchesFolded(b[24:32], c)<<24 |
		mismatchesFolded(b[32:40], c)<<32 | mismatchesFolded(b[40:48], c)<<40 | mismatchesFolded(b[48:56], c)<<48 | mismatchesFolded(b[56:64], c)<<56)
}

// mismatchesFolded is like mismatches, but ignores bit 0x20 of the bytes of b.
func mismatchesFolded(b []byte, c uint64) uint64 {
	x := (binary.LittleEndian.Uint64(b) | 0x20*0x0101010101010101) ^ c
	x |= x&allLow7 + allLow7
	return (x & allHigh) * 0x0002040810204081 >> 56
}

// isASCII reports whether all bytes of b are ASCII.
func isASCII(b *[block]byte) bool {
	all := binary.LittleEndian.Uint64(b[0:8]) | binary.LittleEndian.Uint64(b[8:16]) | binary.LittleEndian.Uint64(b[16:24]) | binary.LittleEndian.Uint64(b[24:32]) |
		binary.LittleEndian.Uint64(b[32:40]) | binary.LittleEndian.Uint64(b[40:48]) | binary.LittleEndian.Uint64(b[48:56]) | binary.LittleEndian.Uint64(b[56:64])
	return all&allHigh == 0
}

// prefixXor returns the mask of the positions up to which (inclusive) b has an odd number of bits.
// For the quotes of a block: the bytes inside quotes.
func prefixXor(b uint64) uint64 {
	b ^= b << 1
	b ^= b << 2
	b ^= b << 4
	b ^= b << 8
	b ^= b << 16
	b ^= b << 32
	return b
}

// bitsBelow returns the bits below the lowest bit of b; all bits if b is 0.
func bitsBelow(b uint64) uint64 { return b&-b - 1 }

// lowestBit returns the position of the lowest bit of b; 64 if b is 0.
func lowestBit(b uint64) int { return bits.TrailingZeros64(b) }

// blockAt returns the block of data at i. The last block is copied to rest and padded with zeros.
func blockAt(data []byte, i int, rest *[block]byte) *[block]byte {
	if i+block <= len(data) {
		return (*[block]byte)(data[i:])
	}
	clear(rest[copy(rest[:], data[i:]):])
	return rest
}
