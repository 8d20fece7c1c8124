package dmap

import "errors"

// The end of a run when enough of its items have succeeded.

// errEnoughSucceeded stops a run that has enough. It is no failure: the run has succeeded.
var errEnoughSucceeded = errors.New("enough items have succeeded (Options.Enough)")

// hasEnough reports whether enough items have succeeded, and the sinks have their results.
func (c *tally) hasEnough() bool { return c.enough > 0 && c.stored.Load() >= c.enough }

// countStored counts successes that the sinks have, for hasEnough.
func (d *delivery[T, R]) countStored(c *chunk[T, R], rejections int64) {
	if d.tally.enough == 0 {
		return
	}
	n := -rejections
	for i := range c.entries {
		if c.entries[i].state == succeeded {
			n++
		}
	}
	d.tally.stored.Add(n)
}

// stopIfEnough stops the run when enough items have succeeded.
func (d *delivery[T, R]) stopIfEnough() {
	if d.tally.hasEnough() {
		d.stopper.stop(errEnoughSucceeded)
	}
}

// startWithEnough stops a run that resumes with enough successes. A redrive with nothing unread
// processes the items that it has taken, however many have succeeded.
func (e *engine[T, R]) startWithEnough() {
	if again := e.tally.redrive; again != nil && (again.Done || again.Trial) {
		e.tally.enough = 0
	}
	e.delivery.stopIfEnough()
}

// leaveRest makes the items unread that a run with enough successes has read and not settled: they
// are nothing to redo. Taken ones stay pending.
func (e *engine[T, R]) leaveRest(pending []Pending) (rest []Pending) {
	for _, p := range pending {
		if p.taken {
			rest = append(rest, p)
		}
	}
	left := int64(len(pending) - len(rest))
	e.tally.read.Add(-left)
	if left > 0 || !e.tally.readAll.Load() { // otherwise MaxItems may have ended the reading
		e.tally.truncated.Store(true)
	}
	return rest
}
