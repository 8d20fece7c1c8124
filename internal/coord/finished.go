package coord

import "time"

// Finished is a lease that has returned.
type Finished struct {
	Lease    int64 `json:"l"`
	Attempts int   `json:"a"` // its lanes have the numbers 1 to Attempts
	// Unreported says that its counts are unknown: its worker was lost when the run ended.
	Unreported bool `json:"u,omitempty"`
}

// Absorbing is the task that takes in lanes.
type Absorbing struct {
	Task   int64         `json:"task"`           // the last one
	Leases int           `json:"leases"`         // of Finished, the first; 0: no task is under way
	At     time.Duration `json:"at,omitzero"`    // the last one began
	Since  time.Duration `json:"since,omitzero"` // the last one that was done began
}

// AbsorbTask asks for a root record that takes in the lanes of leases. Lanes that are not sealed
// are sealed before.
type AbsorbTask struct {
	Task   int64      `json:"task"`
	Leases []Finished `json:"leases"`
	// Elapsed is the time of the run since the last task that was done.
	Elapsed time.Duration `json:"elapsed"`
}
