package watch

import (
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// Snapshot is the state of a run for a page, a terminal or a report.
type Snapshot struct {
	Key     string    `json:"key"` // of the run among those of its Set: the RunID, or "RunID~2"
	RunID   string    `json:"runId"`
	Source  string    `json:"source,omitempty"`
	At      time.Time `json:"at"`             // of the reading
	Begun   time.Time `json:"begun"`          // by this process
	Ended   time.Time `json:"ended,omitzero"` // by this process
	Live    bool      `json:"live"`           // this process works on it
	Version string    `json:"version,omitempty"`
	Batch   bool      `json:"batch,omitempty"` // calls have several items

	Stats    dmap.Stats `json:"stats"`
	Phase    dmap.Phase `json:"phase,omitempty"`
	Verdict  Verdict    `json:"verdict"`
	ETA      ETA        `json:"eta"`
	Slowed   []string   `json:"slowed,omitempty"`
	Fuel     Fuel       `json:"fuel"`
	Progress Progress   `json:"progress"`
	Now      Pace       `json:"now"`
	Limits   Limits     `json:"limits"`
	Calls    []Call     `json:"calls"`             // the oldest in flight
	Workers  []Worker   `json:"workers,omitempty"` // of a run on many machines, at most 50
	Others   int        `json:"otherWorkers,omitempty"`
	Spent    []Share    `json:"spent"`             // where the time of this process has gone
	Written  int64      `json:"written,omitempty"` // bytes that sinks of this process have stored
	Durable  Durability `json:"durable"`
	Failures Failures   `json:"failures"`
	Marks    []Mark     `json:"marks"`
	Omitted  int64      `json:"omittedMarks,omitempty"`
}

// Progress is the bar of a run. Its parts add up to Total.
type Progress struct {
	Parts   []Part  `json:"parts"`
	Total   int64   `json:"total"`   // items
	AtLeast bool    `json:"atLeast"` // the source is still read: there will be more
	Share   float64 `json:"share"`   // settled items of Total, 0 to 1; 0 while AtLeast
	Text    string  `json:"text"`    // "12,000 of at least 40,000 items"
}

// Part is one part of the bar.
type Part struct {
	Name  string `json:"name"` // "succeeded", "failed", "skipped", "held", "in flight", "waiting", "queued", "unread"
	Items int64  `json:"items"`
}

// Pace is what a run does now.
type Pace struct {
	Items   float64 `json:"items"`  // settled a second
	Failed  float64 `json:"failed"` // of them
	P50     float64 `json:"p50"`    // seconds of a call, in the latest minute; 0: none ended
	P95     float64 `json:"p95"`
	Max     float64 `json:"max"`
	InCalls int     `json:"inCalls"`
	Limit   int     `json:"limit"`
}

// Limits are the settings that a reader can change.
type Limits struct {
	Concurrency int            `json:"concurrency"`
	Rate        dmap.Rate      `json:"rate"`
	Tolerance   dmap.Tolerance `json:"tolerance"`
	Paused      bool           `json:"paused"`
}

// Call is a call in flight.
type Call struct {
	ID      string  `json:"id"` // of its item; of the first item of a batch
	Key     string  `json:"key"`
	Split   string  `json:"split,omitempty"` // empty if keys are hidden
	Items   int     `json:"items"`           // 1, or those of the batch
	Attempt int     `json:"attempt"`
	Age     float64 `json:"age"`            // seconds
	Slow    bool    `json:"slow,omitempty"` // much longer than the p95 of the calls so far
	Stuck   bool    `json:"stuck,omitempty"`
	Last    string  `json:"last,omitempty"` // the error of the attempt before
	Token   string  `json:"token"`          // the idempotency key
}

// Share is a part of the time of a run.
type Share struct {
	Name    string  `json:"name"` // "listing", "reading", "function", "results"
	Seconds float64 `json:"seconds"`
	Share   float64 `json:"share"` // of all, 0 to 1
	Text    string  `json:"text"`
}
