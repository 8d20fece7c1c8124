package dmap

import (
	"errors"

	"github.com/go-dmap/dmap/internal/stopread"
)

// A run that is a lease of a run on many machines can be asked to read nothing more. Other than a
// suspended run it finishes the items that it has read: it interrupts no call, and items that wait
// for a retry get it. Then it is open, and the rest is unread.

var errReadingStopped = errors.New("the reading was ended, and all that was read is settled")

// stopReadingWhen ends the reading when asked is closed, unless no call runs any more. passOn has
// the readers that wait for space pass on the items that they hold: the calls may take hours.
func (s *stopper) stopReadingWhen(asked <-chan struct{}, passOn func()) {
	select {
	case <-asked:
		s.noMore.Store(true)
		s.input.cancel(errReadingStopped)
		passOn()
	case <-s.drained:
	}
}

// leaves reports whether the reading was ended, and the run has not stopped.
func (s *stopper) leaves() bool { return s.noMore.Load() && !s.stopping.Load() }

// leaves returns the parts that are not read when the readers have ended. Holes are no such parts:
// another machine would find the same.
func (r *reader[T, R]) leaves() stopread.Left {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := stopread.Left{Settled: r.durable.settledBefore.All()}
	for _, s := range r.left {
		left.Parts = append(left.Parts, s.interval())
	}
	return left
}
