package dmap

import "time"

// InFlightCall is a call that runs.
type InFlightCall struct {
	Info      // of its item; of the first item of a batch
	Items int // 1, or the items of the batch
	// Age is the time since the call began. Short calls are timed in groups: after some of them it
	// may be too long by the times of those.
	Age time.Duration
}
