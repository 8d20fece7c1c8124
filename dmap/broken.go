package dmap

import (
	"errors"
	"fmt"
)

// BrokenObjectError says that an object breaks off: compressed data that is cut short, a JSON array
// that does not end, bytes that the store does not deliver. It is no item, as nobody knows how many
// items are missing. The rest of the object stays unread; the run processes everything else, and
// then fails if there are more such objects than Tolerance.BrokenObjects.
//
// A source yields it as the error of Plan.Read, which leaves the rest of that split unread, or as
// Item.Err: then the split is unread from the Next of the item before up to the Next of this one,
// and its reading continues.
type BrokenObjectError struct {
	Key    string
	Offset int64  // of the first byte of the object's content that was not read as an item
	Hash   string // of the content before Offset, see Split.Before; empty: unknown, or Offset is 0
	Err    error  // why the object could not be read further
}

func (e *BrokenObjectError) Error() string {
	return fmt.Sprintf("object %q breaks off at offset %d: %v", e.Key, e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *BrokenObjectError) Unwrap() error { return e.Err }

// Class returns "broken" unless the cause has a class of its own.
func (e *BrokenObjectError) Class() string {
	var own interface{ Class() string }
	if errors.As(e.Err, &own) {
		return own.Class()
	}
	return "broken"
}

// brokenObject returns the BrokenObjectError that err is or wraps, nil if there is none.
func brokenObject(err error) *BrokenObjectError {
	var broken *BrokenObjectError
	_ = inspect(err, func() { _ = errors.As(err, &broken) })
	return broken
}

// Bounds for broken objects. Each is a gap in the settled intervals, so their number must be
// bounded.
const (
	maxBrokenObjects = 10_000 // that a Tolerance allows
	moreBroken       = 1_000  // beyond the tolerance, after which the run stops
	listedBroken     = 100    // whose errors are kept
)

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
