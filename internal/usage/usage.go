// Package usage says what this process has cost so far: processor time and memory.
package usage

import "time"

// Usage of the process since its start.
type Usage struct {
	CPU  time.Duration // user and system time of all threads; 0 where it is unknown
	Peak int64         // bytes of memory resident at most; 0 where it is unknown
}
