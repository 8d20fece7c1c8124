package dmap

import "time"

// callTimer times the calls of one task.
type callTimer struct {
	last    time.Duration // of the latest reading, since the start of the run
	from    int           // the first item that has not been timed
	every   int           // how many items share a reading
	settled int64         // successes since the latest reading, not counted yet
}
