// Package usage measures the processor time and the memory of this process.
package usage

import "time"

// Usage is measured since the start of the process.
type Usage struct {
	CPU  time.Duration // user and system time of all threads; 0: unknown
	Peak int64         // maximum resident memory in bytes; 0: unknown
}
