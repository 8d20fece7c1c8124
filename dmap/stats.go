package dmap

import "time"

// Stats counts a run. At the end Read = Succeeded + Failed + Skipped + Pending; before that Pending
// is computed from the other four.
type Stats struct {
	RunID     string        `json:"runId"`
	Read      int64         `json:"read"`      // items that the source yielded
	Succeeded int64         `json:"succeeded"` // settled without an error
	Failed    int64         `json:"failed"`    // settled with an error, after the last attempt
	Skipped   int64         `json:"skipped"`   // ErrSkip
	Pending   int64         `json:"pending"`   // read and not settled
	Calls     int64         `json:"calls"`     // of the function, attempts and batches
	Retries   int64         `json:"retries"`   // calls that were not the first ones of their items
	InFlight  int           `json:"inFlight"`  // calls running now
	Waiting   int           `json:"waiting"`   // items waiting for their retry, without a slot
	Stuck     int           `json:"stuck"`     // calls that ran on long after the end of their context, or were abandoned
	Limit     int           `json:"limit"`     // the concurrency limit now
	Paused    bool          `json:"paused"`
	Truncated bool          `json:"truncated"` // MaxItems ended the run before the source did
	Started   time.Time     `json:"started"`   // of this process
	Elapsed   time.Duration `json:"elapsed"`   // ns; so far, or of the whole run, in all its processes
}
