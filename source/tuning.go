package source

import "github.com/go-dmap/dmap/internal/ranges"

// tuning holds the sizes, in bytes, by which large objects are divided and read.
type tuning struct {
	small    int64 // smaller objects are one split
	minLines int64 // of a split of lines; there are about two splits per reader
	maxLines int64
	probe    int64 // of the first request for the end of a line
	rows     ranges.Options
	// parallelFrom: a span of at least this size is fetched by several concurrent requests. It is
	// longer than any planned split.
	parallelFrom int64
	tail         ranges.Options // of these requests
}

// defaultTuning suits connections of 80 MB/s with 30 ms to the first byte, where larger parts gain
// little. Rows wait in memory for all the bytes before them, so their parts are small, and memory
// holds two parts more than there are requests. Lines are read as they arrive.
func defaultTuning() tuning {
	return tuning{
		small:        32 << 20,
		minLines:     16 << 20,
		maxLines:     64 << 20,
		probe:        64 << 10,
		rows:         ranges.Options{Requests: 8, Part: 16 << 20, Block: 512 << 10, Memory: 160 << 20},
		parallelFrom: 96 << 20,
		tail:         ranges.Options{Requests: 8, Part: 4 << 20, Block: 512 << 10, Memory: 40 << 20},
	}
}

// MinMemory is the minimum of CSVOptions.Memory.
const MinMemory = 16 << 20

// serialBelow is the memory from which on an object is read in splits. With less, the parts that
// fit are so small that one reader of the whole object takes less CPU, and hardly more time.
const serialBelow = 128 << 20

// within returns t for an object that may take memory bytes of the process, 0: as many as it likes.
// A collection of garbage doubles the memory in use, and readers, rows and results need some too,
// so that a part of it holds fetched bytes. serial says that the object is one split.
func (t tuning) within(memory int64) (within tuning, serial bool) {
	const share, blocks = 8, 4 // of memory; of a part
	if memory == 0 || memory/share >= t.rows.Memory {
		return t, false
	}
	serial = memory < serialBelow
	if serial { // few requests keep up with one reader
		t.tail.Requests = 3
	}
	for _, o := range []*ranges.Options{&t.rows, &t.tail} {
		o.Memory = memory / share
		o.Part = max(o.Memory/int64(o.Requests+2), 1)
		o.Block = min(o.Block, max(o.Part/blocks, 1))
	}
	t.parallelFrom = min(t.parallelFrom, 6*t.rows.Part)
	return t, serial
}
