package leaserun

import "slices"

// waiting are the leases of a pool that wait for another one to end.
type waiting []chan struct{}

// add returns a channel that is closed when another lease has ended. If one waits already it is.
func (w *waiting) add() chan struct{} {
	next := make(chan struct{})
	if *w = append(*w, next); len(*w) > 1 {
		w.wake()
	}
	return next
}

func (w *waiting) remove(next chan struct{}) {
	*w = slices.DeleteFunc(*w, func(o chan struct{}) bool { return o == next })
}

// wake has all of them report.
func (w *waiting) wake() {
	for _, next := range *w {
		close(next)
	}
	*w = nil
}
