package dmap

import "time"

// State says whether a run works, is open, or has ended.
type State string

// The states of a run.
const (
	StateRunning State = "running" // this process works on the run
	StateOpen    State = "open"    // a call with the same RunID resumes the run
	StateEnded   State = "ended"   // no call resumes the run: Stats.Reason says whether it succeeded
)

// Stats counts a run. At the end Read = Succeeded + Failed + Skipped + Held + Pending; before that
// Pending is computed from the other five.
type Stats struct {
	RunID     string `json:"runId"`
	Read      int64  `json:"read"`      // items that the source yielded
	Succeeded int64  `json:"succeeded"` // settled without an error
	Failed    int64  `json:"failed"`    // settled with an error, after the last attempt
	Skipped   int64  `json:"skipped"`   // ErrSkip
	Held      int64  `json:"held"`      // Hold: they wait for the decision of a person
	Pending   int64  `json:"pending"`   // read, and neither settled nor held
	Calls     int64  `json:"calls"`     // of the function, attempts and batches
	Retries   int64  `json:"retries"`   // calls that were not the first ones of their items
	// Bytes is the sum of Item.Size over the items of all calls, at most 2^53, and Units what the
	// function has reported by Spend. Both are of the whole run. The use after the last commit
	// of a process that crashed is not known.
	Bytes int64   `json:"bytes"`
	Units float64 `json:"units"`
	// BrokenObjects counts objects that break off, whose rest is unread: see BrokenObjectError.
	// Only those that this process has met; a resume reads the rests again.
	BrokenObjects int64         `json:"brokenObjects"`
	InFlight      int           `json:"inFlight"`  // calls running now
	Waiting       int           `json:"waiting"`   // items waiting for their retry, without a slot
	Queued        int           `json:"queued"`    // other items that were read and wait for a slot
	Throttled     int64         `json:"throttled"` // calls of this process that a server has throttled
	Stuck         int           `json:"stuck"`     // calls that ran on long after the end of their context, or were abandoned
	Limit         int           `json:"limit"`     // the concurrency limit now, as set by the user
	Paused        bool          `json:"paused"`
	Truncated     bool          `json:"truncated"` // MaxItems or Enough ended the run before the source did
	Started       time.Time     `json:"started"`   // of this process
	Elapsed       time.Duration `json:"elapsed"`   // ns; so far, or of the whole run, in all its processes

	State State `json:"state"`
	// Reason says why the run is open or has ended. Ended: "succeeded", "max items", "enough",
	// "tolerance", "canceled" (Run.Cancel), "end" (sink.End), "trial" (it left other items
	// pending). Open: "held" (nothing else is left to do), "suspended", "context" (of the caller),
	// "budget" and "total budget" (the run is incomplete: BudgetError), "source", "sink", "fenced"
	// (another process has the run), "changed" (ErrSpecChanged), "internal". A run without a
	// journal ends with its call, also for a reason of the second list. Empty while it runs.
	Reason string `json:"reason,omitempty"`
	// Resumed says that an earlier process began the run.
	Resumed bool `json:"resumed,omitempty"`
	// EndedBefore says that the run had ended before this call, which returned its stored end and
	// called nothing.
	EndedBefore bool `json:"endedBefore,omitempty"`
	// Redrives counts the redrives that the run has begun.
	Redrives int `json:"redrives,omitempty"`
	// Rate is Options.Rate, or what Run.SetRate has made of it.
	Rate Rate `json:"rate,omitzero"`
	// AdaptedLimit is the concurrency limit now, where a server that throttles has lowered it. 0:
	// Limit holds.
	AdaptedLimit int `json:"adaptedLimit,omitempty"`
	// AdaptedRate is how many calls may start a second now, because a server throttles. 0: there is
	// no such limit.
	AdaptedRate float64 `json:"adaptedRate,omitempty"`
	// BackOff is the time, in ns, for which no call starts, because a server that throttles has
	// asked for that. 0: calls start.
	BackOff time.Duration `json:"backOff,omitempty"`
	// SourceThrottled counts the requests of the source, for listings and for objects, that a store
	// has throttled in this process. They are repeated, and slow down like calls, each kind apart.
	SourceThrottled int64 `json:"sourceThrottled,omitempty"`
	// ReadingPaused says that no fresh item starts before some retries have started: the items that
	// wait for their retry are at their bound, see Retry.
	ReadingPaused bool `json:"readingPaused,omitempty"`
}
