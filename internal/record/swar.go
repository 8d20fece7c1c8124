package record

import (
	"encoding/binary"
	"math/bits"
)

// Text is looked at in blocks of 64 bytes, of which a word has a bit each: bit 0 is the first byte's. They are made of eight
// words of eight bytes, with no loop: that the shifts are constant counts. Where a byte is looked for that is rare the
// standard library's IndexByte is faster.
const block = 64

const (
	allHigh = 0x8080808080808080
	allLow7 = 0x7f7f7f7f7f7f7f7f
)

// eight is a word of eight times c.
func eight(c byte) uint64 { return uint64(c) * 0x0101010101010101 }

// where has a bit for each byte of b that is c, given as eight(c).
func where(b *[block]byte, c uint64) uint64 {
	return ^(others(b[0:8], c) | others(b[8:16], c)<<8 | others(b[16:24], c)<<16 | others(b[24:32], c)<<24 |
		others(b[32:40], c)<<32 | others(b[40:48], c)<<40 | others(b[48:56], c)<<48 | others(b[56:64], c)<<56)
}

// others has a bit for each of eight bytes that is not c.
func others(b []byte, c uint64) uint64 {
	x := binary.LittleEndian.Uint64(b) ^ c
	x |= x&allLow7 + allLow7                        // the high bit of each byte of x that is not zero
	return (x & allHigh) * 0x0002040810204081 >> 56 // these eight bits, side by side
}

// whereFolded is where for a c among { | } ~, which it takes for [ \ ] ^ too.
func whereFolded(b *[block]byte, c uint64) uint64 {
	return ^(othersFolded(b[0:8], c) | othersFolded(b[8:16], c)<<8 | othersFolded(b[16:24], c)<<16 | othersFolded(b[24:32], c)<<24 |
		othersFolded(b[32:40], c)<<32 | othersFolded(b[40:48], c)<<40 | othersFolded(b[48:56], c)<<48 | othersFolded(b[56:64], c)<<56)
}

// othersFolded has a bit for each of eight bytes that is not c, whatever its bit 0x20.
func othersFolded(b []byte, c uint64) uint64 {
	x := (binary.LittleEndian.Uint64(b) | 0x20*0x0101010101010101) ^ c
	x |= x&allLow7 + allLow7
	return (x & allHigh) * 0x0002040810204081 >> 56
}

// isASCII reports whether b has nothing else.
func isASCII(b *[block]byte) bool {
	all := binary.LittleEndian.Uint64(b[0:8]) | binary.LittleEndian.Uint64(b[8:16]) | binary.LittleEndian.Uint64(b[16:24]) | binary.LittleEndian.Uint64(b[24:32]) |
		binary.LittleEndian.Uint64(b[32:40]) | binary.LittleEndian.Uint64(b[40:48]) | binary.LittleEndian.Uint64(b[48:56]) | binary.LittleEndian.Uint64(b[56:64])
	return all&allHigh == 0
}

// odd has a bit wherever the number of bits up to and including it is odd.
func odd(b uint64) uint64 {
	b ^= b << 1
	b ^= b << 2
	b ^= b << 4
	b ^= b << 8
	b ^= b << 16
	b ^= b << 32
	return b
}

// below has the bits under the lowest one of b; all if b has none.
func below(b uint64) uint64 { return b&-b - 1 }

// lowest is the position of the lowest bit of b, 64 if it has none.
func lowest(b uint64) int { return bits.TrailingZeros64(b) }

// blockAt is the block of data at i, filled up with zeros where data ends.
func blockAt(data []byte, i int, rest *[block]byte) *[block]byte {
	if i+block <= len(data) {
		return (*[block]byte)(data[i:])
	}
	clear(rest[copy(rest[:], data[i:]):])
	return rest
}
