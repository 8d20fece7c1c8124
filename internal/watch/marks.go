package watch

import "time"

// markLimit bounds the marks of a run.
const markLimit = 200

// Mark is an event on the time axis. Commits and throttled calls are counted by Point, because
// there may be one a second.
type Mark struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"` // one of the constants Mark...
	Text string    `json:"text"` // one line
}

// The kinds of marks.
const (
	MarkStart    = "start"    // also resume and redrive
	MarkPhase    = "phase"    // nothing is left to read, the run stops, results are saved
	MarkEdit     = "edit"     // of a limit
	MarkPause    = "pause"    // and the end of it
	MarkThrottle = "throttle" // throttling begins, or begins again after a quiet minute
	MarkLost     = "lost"     // a worker of a run on many machines
	MarkEnd      = "end"
)

// marks keeps the first and the latest marks: those between are counted.
type marks struct {
	list    []Mark
	omitted int64
}

// keepFirst is how many of the first marks stay.
const keepFirst = markLimit / 10

func (m *marks) add(at time.Time, kind, text string) {
	if len(m.list) == markLimit {
		m.list = append(m.list[:keepFirst], m.list[keepFirst+1:]...)
		m.omitted++
	}
	m.list = append(m.list, Mark{at, kind, text})
}
