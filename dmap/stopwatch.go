package dmap

import "time"

// Reading the clock costs about as much as handing over an item. So calls that are fast share a reading: a few neighbours
// get the mean of the time that they took together.
const (
	lapTime = 8 * time.Microsecond
	maxLap  = 32
)

// stopwatch times the calls of one task.
type stopwatch struct {
	last    time.Duration // of the latest reading, since the run's start
	from    int           // the first item that has not been timed
	every   int           // how many items share a reading
	settled int64         // successes since then, not counted yet
}

// laps is how many calls share a reading of the clock. One that may be abandoned stands alone: another worker takes over.
func (e *engine[T, R]) laps() int {
	mean := time.Duration(e.callTime.Load())
	if mean == 0 || e.opts.AbandonAfter > 0 {
		return 1
	}
	return max(1, int(min(maxLap, lapTime/mean)))
}
