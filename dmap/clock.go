package dmap

import "time"

// runClock measures time since the start of this process of the run.
type runClock struct{ started time.Time }

func (c runClock) now() time.Duration { return time.Since(c.started) }
