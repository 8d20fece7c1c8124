package dmap

import (
	"iter"
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// Times says how this process has spent its time on a run. The sums are over all goroutines: ten
// calls at once take ten seconds in one second.
type Times struct {
	Plan  time.Duration // waiting for the source's next split, such as a part of a listing
	Read  time.Duration // waiting for the source's items; not for space in the queue
	Sinks time.Duration // in Write of the sinks
	Calls CallTimes     // in the function
}

// CallTimes is a histogram of the times of calls that have returned, of batches each as one call.
// The zero CallTimes has no calls. Short calls are timed in groups, each call of a group at its
// mean, so single ones may have been longer.
type CallTimes struct {
	Count int64
	Sum   time.Duration

	buckets [timeBuckets]int64
}

// A bucket of the histogram is an eighth of a power of two of nanoseconds, as in an HDR histogram
// with three bits (hdrhistogram.org): a value differs from that of its bucket by 1/16 at most.
const (
	timeBits    = 3
	timeBuckets = (63 - timeBits + 1) << timeBits
)

// timeBucket is the bucket of d.
func timeBucket(d time.Duration) int {
	n := uint64(max(0, d))
	if n < 1<<timeBits {
		return int(n)
	}
	shift := bits.Len64(n) - 1 - timeBits
	return shift<<timeBits + int(n>>shift)
}

// bucketTime is the middle of a bucket.
func bucketTime(i int) time.Duration {
	if i < 1<<timeBits {
		return time.Duration(i)
	}
	shift := i>>timeBits - 1
	low := uint64(i-shift<<timeBits) << shift
	return time.Duration(low + uint64(1)<<shift/2)
}

// Quantile is the time that the share q of the calls did not exceed, to 1/16: 0.5 is the median, 1
// the longest call. Without calls it is 0. q outside of 0 to 1 counts as the nearer end.
func (t CallTimes) Quantile(q float64) time.Duration {
	if !(q > 0) { // also NaN
		q = 0
	}
	var all int64
	for _, n := range t.buckets {
		all += n
	}
	want := min(max(1, int64(math.Ceil(min(q, 1)*float64(all)))), all)
	var seen int64
	for i, n := range t.buckets {
		if seen += n; n > 0 && seen >= want {
			return bucketTime(i)
		}
	}
	return 0
}

// Since is the histogram of the calls since earlier, a CallTimes of the same run.
func (t CallTimes) Since(earlier CallTimes) CallTimes {
	t.Count -= earlier.Count
	t.Sum -= earlier.Sum
	for i := range t.buckets {
		t.buckets[i] -= earlier.buckets[i]
	}
	return t
}

// meter measures the Times of a run.
type meter struct {
	plan, read, sinks atomic.Int64 // ns

	calls [8]callShard // by worker
}

// callShard is the histogram of some workers, so that workers on many cores seldom write to one
// cache line.
type callShard struct {
	sum     atomic.Int64 // ns
	buckets [timeBuckets]atomic.Int64
}

// called adds n calls of a worker that took d each.
func (m *meter) called(worker int, n int64, d time.Duration) {
	s := &m.calls[worker%len(m.calls)]
	s.sum.Add(n * int64(d))
	s.buckets[timeBucket(d)].Add(n)
}

// times returns the sums so far.
func (m *meter) times() Times {
	out := Times{Plan: time.Duration(m.plan.Load()), Read: time.Duration(m.read.Load()), Sinks: time.Duration(m.sinks.Load())}
	for i := range m.calls {
		s := &m.calls[i]
		out.Calls.Sum += time.Duration(s.sum.Load())
		for b := range s.buckets {
			n := s.buckets[b].Load()
			out.Calls.buckets[b] += n
			out.Calls.Count += n
		}
	}
	return out
}

// lap measures the time that one goroutine waits for a source: between two stops of its clock.
type lap struct {
	clock runClock
	sum   *atomic.Int64
	since time.Duration
}

func newLap(clock runClock, sum *atomic.Int64) lap {
	return lap{clock: clock, sum: sum, since: clock.now()}
}

// stop adds the time since start, or since newLap.
func (l *lap) stop() { l.sum.Add(int64(l.clock.now() - l.since)) }

// start starts the clock again.
func (l *lap) start() { l.since = l.clock.now() }

// timed is seq, whose waits for values l measures.
func timed[K, V any](seq iter.Seq2[K, V], l lap) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		l.start()
		for k, v := range seq {
			l.stop()
			if !yield(k, v) {
				return
			}
			l.start()
		}
		l.stop()
	}
}
