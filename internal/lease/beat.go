package lease

import (
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// Beat says how far an attempt at a lease has come while it runs. It decides nothing: it is for
// people.
type Beat struct {
	Ref
	Every time.Duration `json:"every,omitempty"` // between beats
	// Stats are those of the engine. The counts are of all attempts at the lease so far, without
	// the unsaved part of those that were lost.
	Stats dmap.Stats `json:"stats"`
	Saved Tally      `json:"saved"` // the part of Stats that records of the lanes have
	// Times and Written are of this attempt.
	Times   dmap.Times `json:"times"`
	Written int64      `json:"written,omitempty"`
	Oldest  []Call     `json:"oldest,omitempty"` // the calls that run for the longest time
	ReadAll bool       `json:"readAll,omitempty"`
	// Failures are those that records of the lanes have: of all attempts at the lease so far, so
	// that none is lost with a worker. At most BeatFailures bytes.
	Failures Groups `json:"failures,omitempty"`
}

// Tally counts items by their outcome.
type Tally struct {
	Succeeded int64 `json:"succeeded,omitempty"`
	Failed    int64 `json:"failed,omitempty"`
	Skipped   int64 `json:"skipped,omitempty"`
	Held      int64 `json:"held,omitempty"`
}

// Plus is the sum of both.
func (t Tally) Plus(o Tally) Tally {
	return Tally{t.Succeeded + o.Succeeded, t.Failed + o.Failed, t.Skipped + o.Skipped, t.Held + o.Held}
}

// All is the number of items.
func (t Tally) All() int64 { return t.Succeeded + t.Failed + t.Skipped + t.Held }

// Call is a call in flight.
type Call struct {
	Split   string        `json:"split,omitempty"`
	Key     string        `json:"key"`
	Offset  int64         `json:"offset"`
	Index   int64         `json:"index"`
	Attempt int           `json:"attempt"`
	Items   int           `json:"items"`
	Age     time.Duration `json:"age"`
}
