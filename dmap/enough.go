package dmap

import (
	"errors"
	"sync/atomic"
)

// The end of a run when enough of its items have succeeded.

// errEnoughSucceeded stops a run that has enough. It is no failure: the run has succeeded.
var errEnoughSucceeded = errors.New("enough items have succeeded (Options.Enough)")

// enough says whether a run has enough successes.
type enough struct {
	of     int64        // Options.Enough; 0: no number is enough
	stored atomic.Int64 // successes that the sinks have; only counted if of is set
}

func (e *enough) reached() bool { return e.of > 0 && e.stored.Load() >= e.of }
