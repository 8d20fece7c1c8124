package dmap

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/go-dmap/dmap/batch"
)

// Chunks follow the speed of the function: a chunk holds what one worker does in about chunkTime.
// So slow calls get single items, spread over all slots, and fast ones share the cost of a
// hand-over.
const (
	maxChunk      = 64
	maxChunkBytes = 1 << 20
	chunkTime     = time.Millisecond
)

// wakeTime is how much work justifies waking a worker: some times the cost of waking it.
const wakeTime = 50 * time.Microsecond

// To read the clock costs about as much as to enqueue an item. So fast calls share a reading: a
// few neighbors get the mean of the time that they took together.
const (
	sampleTime = 8 * time.Microsecond
	maxSample  = 32
)

// pace learns how long a call takes and sizes the work by it.
type pace struct {
	inBatches bool
	limits    batch.Limits   // of a batch
	single    bool           // each call has its own reading of the clock
	alone     bool           // each item is a chunk of its own
	leased    bool           // other machines could call the items that wait here
	ended     atomic.Bool    // the reading: readers pass on the items that they hold
	rate      func() float64 // calls a second at most; 0: no limit
	callTime  atomic.Int64   // recent mean ns of a call; 0: none has returned
}

// mean returns the recent mean time of a call, 0 if none has returned.
func (p *pace) mean() time.Duration { return time.Duration(p.callTime.Load()) }

// learn updates the mean from n calls that took elapsed together.
func (p *pace) learn(n int, elapsed time.Duration) {
	if n == 0 {
		return
	}
	each := max(1, int64(elapsed)/int64(n))
	old := p.callTime.Load()
	if old == 0 {
		old = each
	}
	p.callTime.Store(max(1, old+(each-old)/4)) // a lost update does no harm
}

// slowCall is the time of a call from which on a lease reads no more ahead than one item for each
// slot: it must finish all that it has read, and nobody else can.
const slowCall = 50 * time.Millisecond

// room is how many items, or batches, may wait for a worker.
func (p *pace) room(limit int) int {
	mean := p.mean()
	if p.inBatches {
		return min(max(2, limit), 16)
	}
	if p.ended.Load() {
		return math.MaxInt
	}
	if p.leased && (mean == 0 || mean >= slowCall) {
		return max(2, limit)
	}
	if mean > 0 && mean < chunkTime/maxChunk {
		return max(8*maxChunk, limit)
	}
	return max(2*maxChunk, limit/4)
}

// worthWaking reports whether the calls for this many units take long enough to wake another worker
// for them. Nobody knows before the first call has returned.
func (p *pace) worthWaking(units int) bool {
	mean := p.mean()
	return p.inBatches || mean == 0 || mean*time.Duration(units) >= wakeTime
}

// chunkLimits is the size of the next chunk: the batch, or as many items as a worker does in
// chunkTime.
func (p *pace) chunkLimits() batch.Limits {
	if p.inBatches {
		return p.limits
	}
	mean := p.mean()
	if mean == 0 || mean > chunkTime/2 || p.alone {
		return batch.Limits{Items: 1}
	}
	items := int(min(maxChunk, chunkTime/mean))
	if rate := p.rate(); rate > 0 { // a chunk is called in pieces as the rate allows
		items = int(max(1, min(float64(items), rate*chunkTime.Seconds())))
	}
	return batch.Limits{Items: items, Bytes: maxChunkBytes, Wait: chunkTime}
}

// sampleEvery is how many calls share a reading of the clock.
func (p *pace) sampleEvery() int {
	mean := p.mean()
	if mean == 0 || p.single {
		return 1
	}
	return max(1, int(min(maxSample, sampleTime/mean)))
}
