package dmap

import "github.com/go-dmap/dmap/internal/gate"

// The bound of the retries that wait. A retry may wait for minutes, so the bound is far above what
// the slots and the queue hold: an overload that rejects one item in fifty must not stop the
// others.
const (
	crowdItems = 10_000
	crowdCalls = 16 // for each slot
	crowdBytes = 256 << 20

	// waitingBytes is what the engine itself needs for a waiting item, measured with small values:
	// a chunk of one item, the item, its entry, its error, and an element of the heap.
	waitingBytes = 700
)

// crowded reports whether the waiting retries are at their bound: then no fresh item may start.
func crowded(limit int, waiting gate.Load) bool {
	return waiting.Items >= crowdItems && waiting.Units >= crowdCalls*limit ||
		waiting.Bytes+int64(waiting.Items)*waitingBytes >= crowdBytes
}
