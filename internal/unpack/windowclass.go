package unpack

import "math/bits"

// MaxWindow is the memory, in bytes, that a zstd stream may ask for.
const MaxWindow = 64 << 20

// usualWindow is the largest window of the usual levels of compression.
const usualWindow = 8 << 20

// sizeClass returns the class of the decoders for a window, and the largest window of that: that of
// class 0 is usualWindow, and that of the others a power of two, up to MaxWindow.
func sizeClass(window uint64) (class int, size int64) {
	if window <= usualWindow {
		return 0, usualWindow
	}
	window = min(window, MaxWindow)
	class = bits.Len64((window - 1) / usualWindow)
	return class, usualWindow << class
}
