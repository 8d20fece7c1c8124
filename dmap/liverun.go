package dmap

import "time"

// LiveRun is a run in progress: a *Run of this process, or a run on many machines that this process
// follows, as package dmaptemporal has it. Pages, terminals and telemetry use it. Its methods have
// the contracts of those of *Run, are safe for concurrent use, also after the end of the run, and
// none but Wait and the three that return an error wait for anything.
//
// One on many machines also has the methods Workers() []RunWorker and Failures() []FailureGroup:
// such a run has no events of single calls and items.
type LiveRun interface {
	ID() string
	Stats() Stats
	Times() Times
	Written() int64
	InFlight(n int) []InFlightCall

	SetMaxConcurrency(n int) error
	SetRate(rate Rate) error
	SetTolerance(t Tolerance) error
	Pause()
	Resume()
	Cancel(cause error)
	Suspend()

	Done() <-chan struct{}
	Wait() (Stats, error)
}

var _ LiveRun = (*Run)(nil)

// RunWorker is a process that works on a run on many machines.
type RunWorker struct {
	Name     string        // as the host of the run names it
	Leases   int           // parts of the source that it has now
	InFlight int           // calls, when it was last seen
	Seen     time.Time     // its newest sign of life came, by the clock of this process
	Every    time.Duration // between two signs of life; 0: not known
	// Lost counts the leases that it did not return, and that other workers continue.
	Lost int
}

// Silent reports whether w may have crashed: one sign of life may be lost, and another one late.
func (w RunWorker) Silent(now time.Time) bool {
	return now.Sub(w.Seen) > max(5*time.Second, 2*w.Every+time.Second)
}

// FailureGroup is a group of failed items of a run on many machines: those of the same class and
// the same message, as results.Groups has them, but without keys.
type FailureGroup struct {
	ID    string `json:"id"` // as that of results.Group; "other": the failures of all smaller groups
	Class string `json:"class,omitempty"`
	// Message is the text of the errors, by the rules of the run, without the parts that differ
	// from item to item: at most 200 bytes. Empty: the errors have no text, or the ID is "other".
	Message string    `json:"message,omitempty"`
	Count   int64     `json:"count"`
	First   time.Time `json:"first,omitzero"` // when the first one failed, in whole seconds, by the clock of its worker
	Last    time.Time `json:"last,omitzero"`
}
