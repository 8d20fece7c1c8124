package dmap

// The end of a run when enough of its items have succeeded.

// hasEnough reports whether enough items have succeeded, and the sinks have their results.
func (c *tally) hasEnough() bool { return c.enough > 0 && c.stored.Load() >= c.enough }
