package dmap

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/tolerance"
)

// tally counts the items of a run and judges its failures.
type tally struct {
	read, failed, skipped atomic.Int64
	held                  atomic.Int64
	calls, retries, bytes atomic.Int64
	throttled             atomic.Int64 // calls
	broken                atomic.Int64 // objects
	succeeded             [64]shard

	enough enough

	gone      atomic.Int64     // of failed, items of the redrive that the source no longer has
	redrive   *journal.Redrive // nil: the run is not redriven
	tolerance atomic.Pointer[Tolerance]
	truncated atomic.Bool // MaxItems ended the reading
	readAll   atomic.Bool // the source has ended, or MaxItems is reached

	log      *runLog
	observer *observing // nil: there is none

	mu    sync.Mutex
	first []*ItemError // the first failures; guarded by mu

	firstBroken []*BrokenObjectError // the first broken objects; guarded by mu
	brokenKeys  map[string]bool      // of all broken objects, which are few; guarded by mu
}

// shard counts successes of some workers, so that workers on many cores do not write to one cache
// line. The other counters are rare or added per chunk.
type shard struct {
	n atomic.Int64
	_ [56]byte // a cache line each
}

const firstFailures = 10

// Bounds for broken objects.
const (
	moreBroken   = 1_000 // beyond the tolerance, after which the run stops
	listedBroken = 100   // whose errors are kept
)

func newTally(t Tolerance, log *runLog) *tally {
	c := &tally{log: log}
	c.tolerance.Store(&t)
	return c
}

// resume starts the counts with those of earlier processes.
func (c *tally) resume(n journal.Counts) {
	c.read.Store(n.Read)
	c.shard(0).Store(n.Succeeded)
	c.enough.stored.Store(n.Succeeded)
	c.failed.Store(n.NowFailed())
	c.skipped.Store(n.Skipped)
	c.held.Store(n.NowHeld())
	c.calls.Store(n.Calls)
	c.retries.Store(n.Retries)
	c.bytes.Store(n.Bytes)
}

func (c *tally) shard(worker int) *atomic.Int64 { return &c.succeeded[worker%len(c.succeeded)].n }

func (c *tally) successes() int64 {
	var n int64
	for i := range c.succeeded {
		n += c.succeeded[i].n.Load()
	}
	return n
}

// settled returns the failures and all settled items. It loads the failures last, so that a failure
// is never judged without the successes that came before it.
func (c *tally) settled() (failed, all int64) {
	succeeded := c.successes()
	failed = c.failed.Load()
	return failed, failed + succeeded
}

// skip counts an item that the source skipped.
func (c *tally) skip() {
	c.read.Add(1)
	c.skipped.Add(1)
}

// fail counts a failed item. It returns a ToleranceError if that is one too many.
func (c *tally) fail(err *ItemError) error {
	if c.redrive != nil && isGone(err.Err) {
		c.gone.Add(1)
	}
	c.keep(err) // before it counts: a ToleranceError has the failures that it counts
	c.failed.Add(1)
	c.log.failed(err, c.tolerance.Load().used(c.settled()))
	c.observer.failed(err)
	return c.exceeded()
}

// keep keeps one of the first failures, with the text that it has by the rules of the run.
func (c *tally) keep(err *ItemError) {
	c.mu.Lock()
	full := len(c.first) >= firstFailures
	c.mu.Unlock()
	if full {
		return
	}
	err.text = err.shown(c.log.rules, maxShown)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.first) < firstFailures {
		c.first = append(c.first, err)
	}
}

// exceeded returns a ToleranceError if more items failed than the tolerance allows.
func (c *tally) exceeded() error { return c.exceededBy(c.readAll.Load()) }

// exceededBy is exceeded. ended says that no other item is going to settle.
func (c *tally) exceededBy(ended bool) error {
	bad, of, all := c.sample(ended).Judged()
	limit := *c.tolerance.Load()
	if bad == 0 || !limit.limits().Exceeded(bad, of, all) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return &ToleranceError{Tolerance: limit, Failed: bad, Of: of, First: slices.Clone(c.first)}
}

// sample returns the counts by which failures are judged.
func (c *tally) sample(ended bool) tolerance.Sample {
	failed, settled := c.settled()
	s := tolerance.Sample{Failed: failed, Settled: settled, ReadAll: c.readAll.Load(), Ended: ended}
	if s.ReadAll || c.redrive != nil {
		s.Taken = c.read.Load() - c.skipped.Load()
	}
	if c.redrive != nil {
		s.Held, s.Again = c.held.Load(), true
		s.Redrive = tolerance.Redrive{
			Failed: c.redrive.Failed, Succeeded: c.redrive.Succeeded, Waiting: c.redrive.Waiting, Gone: c.gone.Load(),
		}
	}
	return s
}

// fill writes the counts into s. Settled items are loaded before read ones, so that Pending is
// never negative.
func (c *tally) fill(s *Stats) {
	s.BrokenObjects = c.broken.Load()
	s.Truncated = c.truncated.Load()
	s.Skipped = c.skipped.Load()
	s.Held = c.held.Load()
	s.Failed = c.failed.Load()
	s.Succeeded = c.successes()
	s.Throttled = c.throttled.Load()
	s.Calls, s.Retries = c.calls.Load(), c.retries.Load()
	s.Bytes = journal.AddBytes(c.bytes.Load(), 0)
	s.Read = c.read.Load()
	s.Pending = s.Read - s.Succeeded - s.Failed - s.Skipped - s.Held
}

// breakOff counts an object that breaks off, once for all its splits, and returns its number. stop
// is the error that stops a run that is going to fail when the objects are too many.
func (c *tally) breakOff(err *BrokenObjectError) (n int64, stop error) {
	c.mu.Lock()
	if c.brokenKeys[err.Key] {
		c.mu.Unlock()
		return c.broken.Load(), nil
	}
	if c.brokenKeys == nil {
		c.brokenKeys = map[string]bool{}
	}
	c.brokenKeys[err.Key] = true
	if len(c.firstBroken) < listedBroken {
		c.firstBroken = append(c.firstBroken, err)
	}
	n = c.broken.Add(1)
	c.mu.Unlock()
	if n <= c.tolerance.Load().BrokenObjects+moreBroken {
		return n, nil
	}
	return n, c.brokenExceeded()
}

// brokenExceeded returns a ToleranceError if more objects broke off than the tolerance allows.
func (c *tally) brokenExceeded() error {
	n, tolerance := c.broken.Load(), *c.tolerance.Load()
	if n <= tolerance.BrokenObjects {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.firstBroken[:min(len(c.firstBroken), firstFailures)]
	failed, of := c.settled()
	return &ToleranceError{Tolerance: tolerance, Failed: failed, Of: of, Broken: n, FirstBroken: first}
}

// brokenObjects returns the first errors of objects that broke off.
func (c *tally) brokenObjects() []*BrokenObjectError {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.firstBroken[:len(c.firstBroken):len(c.firstBroken)]
}

// trialEnd is the error of a trial after which items that the run had left pending or unread still
// are.
func (c *tally) trialEnd() error {
	if again := c.redrive; again == nil || !again.Unfinished {
		return nil
	}
	return fmt.Errorf("%w: the trial is over, other items are still pending or unread: redrive the run without a Limit", ErrEnded)
}
