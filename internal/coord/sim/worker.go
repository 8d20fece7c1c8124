package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
)

// worker runs a few leases, which use the slots of each other: those that only finish keep their
// calls in flight, and the others share the rest. Between two events the calls of a lease are a
// flow.
type worker struct {
	leases []*running
	dead   bool
	exact  *calls // each call is simulated: few, slow ones; nil: calls are a flow
	// undivided is the number of keys of a range that is not divided.
	undivided int64
}

// running is a lease at work.
type running struct {
	lease.Lease
	worker  *worker
	size    float64 // items of its splits
	done    float64 // items
	reading bool
	queued  int             // items that were read before the end of the reading, and wait; in an exact simulation
	calls   float64         // in flight, while it reads
	ends    []time.Duration // of the calls that free a slot, once it only finishes
	from    time.Duration
	at      time.Duration // of the last change
	version int           // of its next event
	worked  time.Duration
	raised  int          // slots that orders have added
	left    []dmap.Split // the rest, if it was shed
	hasLeft bool
	asked   bool // to return
}

func length(s dmap.Split) int64 { return s.To.Offset - s.From.Offset }

// advance moves the leases of w to now.
func (w *worker) advance(now time.Duration, mean time.Duration) {
	for _, r := range w.leases {
		if r.reading && w.exact == nil {
			worked := time.Duration(r.calls * float64(now-r.at))
			r.worked += worked
			r.done += float64(worked) / float64(mean)
		}
		for len(r.ends) > 0 && r.ends[0] <= now {
			r.ends = r.ends[1:]
		}
		r.at = now
	}
}

// slots are those that the coordinator counts for the leases of w.
func (w *worker) slots() (n int) {
	for _, r := range w.leases {
		n += r.Slots
	}
	return n
}

// load is the usual number of slots of the leases that read, and the calls of the others.
func (w *worker) load() (n int) {
	for _, r := range w.leases {
		if r.reading {
			n += r.Grant.Usual
		} else {
			n += len(r.ends) + r.queued
		}
	}
	return n
}

// share divides the slots that are free among the leases that read, if calls are a flow.
func (w *worker) share() {
	if w.exact != nil {
		return
	}
	free, reading := w.slots(), 0
	for _, r := range w.leases {
		if free -= len(r.ends); r.reading {
			reading++
		}
	}
	for _, r := range w.leases {
		if r.reading {
			r.calls = math.Max(0.01, float64(free)/float64(reading))
		}
	}
}

// fill simulates each call. It starts calls until all slots are used, one by one in the leases with
// the fewest.
func (w *worker) fill() {
	if w.exact == nil {
		return
	}
	busy := 0
	for _, r := range w.leases {
		busy += len(r.ends)
	}
	for slots := w.slots(); busy < slots; busy++ {
		var least *running
		for _, r := range w.leases {
			if r.done < r.size && (r.reading || r.queued > 0) && (least == nil || len(r.ends) < len(least.ends)) {
				least = r
			}
		}
		if least == nil {
			return
		}
		least.call(w.exact.call())
	}
}

// call starts a call that takes d.
func (r *running) call(d time.Duration) {
	if r.done++; !r.reading {
		r.queued--
	}
	r.worked += d
	i, _ := slices.BinarySearch(r.ends, r.at+d)
	r.ends = slices.Insert(r.ends, i, r.at+d)
	if r.done >= r.size {
		r.reading, r.queued = false, 0
	}
}

// stop ends the reading of r: its calls in flight return, and the items that were read are called.
func (r *running) stop(now, mean time.Duration, c calls) {
	r.reading = false
	if r.worker.exact != nil {
		r.queued = min(r.Slots, int(r.size-r.done)) // one item for each slot was read ahead
		return
	}
	n := min(int(math.Round(r.calls)), int(math.Ceil(r.size-r.done)))
	for range max(n, 0) {
		r.ends = append(r.ends, now+c.residual(now-r.from))
	}
	queued := min(n, int(r.size-r.done)-n) // one item for each slot was read ahead
	for range max(queued, 0) {
		i := slices.Index(r.ends, slices.Min(r.ends))
		r.ends[i] += c.call()
	}
	slices.Sort(r.ends)
	for _, end := range r.ends {
		r.worked += end - now
		r.done += float64(end-now) / float64(mean)
	}
	r.done = math.Min(r.done, r.size)
	if r.size-r.done < 1 {
		r.done = r.size
	}
}

// rest are the unread ranges: each split was divided at places that were guessed, so that readers
// had ranges of different sizes.
func (r *running) rest(random *rand.Rand) (rest []dmap.Split) {
	if r.done+float64(r.queued) >= r.size {
		return nil
	}
	part := (r.done + float64(r.queued)) / r.size
	each := max(1, min(r.Rest, max(readers, map[bool]int{true: 32}[r.size > 1e7]))/len(r.Splits))
	for _, s := range r.Splits {
		cuts := []int64{0, length(s)}
		for i := 1; i < each && length(s) > r.worker.undivided; i++ {
			cuts = append(cuts, random.Int64N(length(s)))
		}
		slices.Sort(cuts)
		for i := range cuts[1:] {
			from := cuts[i] + int64(part*float64(cuts[i+1]-cuts[i]))
			if from < cuts[i+1] {
				rest = append(rest, keys(s.From.Offset+from, s.From.Offset+cuts[i+1]))
			}
		}
	}
	return rest
}

func keys(from, to int64) dmap.Split {
	return dmap.Split{ID: "prefix/", From: dmap.Cursor{Key: keyOf(from), Offset: from}, To: dmap.Cursor{Key: keyOf(to), Offset: to}}
}

func (r *running) report(random *rand.Rand, now time.Duration) lease.Report {
	out := lease.Report{Ref: r.Ref, Reason: lease.Late, Rest: r.left, Worked: r.worked, Wall: now - r.from}
	if !r.hasLeft {
		out.Rest = r.rest(random)
	}
	n := int64(r.size)
	for _, s := range out.Rest {
		n -= length(s)
	}
	out.Moved, out.Edition = r.move(), r.Grant.Edition
	out.Counts = journal.Counts{Read: n, Taken: n, Succeeded: n, Calls: n, Elapsed: out.Wall}
	return out
}

func (w *worker) raise(raised []lease.Raised) {
	for _, r := range w.leases {
		for _, more := range raised {
			if r.reading && more.Lease == r.Lease.Lease && more.Attempt == r.Attempt {
				r.Slots += more.Slots - r.raised
				r.raised = more.Slots
			}
		}
	}
}

// move gives the slots of a lease that has ended to others of its worker, but for a few and half of
// those that the worker has beyond the usual number for each lease: the policy of leaserun.
func (r *running) move() (moved []lease.Moved) {
	usual, others := r.Grant.Usual, []*running{}
	for _, o := range r.worker.leases {
		if o.reading && o != r {
			others = append(others, o)
		}
	}
	all := r.Slots + r.worker.slots()
	free := r.Slots - max(1, usual/2/max(1, len(r.worker.leases)), (all-(len(r.worker.leases)+1)*usual)/2)
	for i, o := range others {
		if n := free / (len(others) - i); n > 0 {
			o.Slots += n
			free -= n
			moved = append(moved, lease.Moved{Lease: o.Lease.Lease, Attempt: o.Attempt, Slots: n})
		}
	}
	return moved
}

// calls are random times of calls, by a lognormal distribution.
type calls struct {
	random *rand.Rand
	mean   time.Duration
	sigma  float64
}

func (c calls) at(shift float64) time.Duration {
	mu := math.Log(float64(c.mean)) - c.sigma*c.sigma/2
	return time.Duration(math.Exp(mu + shift + c.sigma*c.random.NormFloat64()))
}

func (c calls) call() time.Duration { return c.at(0) }

// residual is the remaining time of a call that is in flight in a lease of this age: a part of a
// call that is the longer the more likely it is met, and that did not begin before the lease.
func (c calls) residual(age time.Duration) time.Duration {
	if age < c.mean/4 { // hardly any call has returned
		return c.call()
	}
	for {
		whole := c.at(c.sigma * c.sigma)
		if past := time.Duration(c.random.Float64() * float64(whole)); past <= age {
			return whole - past
		}
	}
}
