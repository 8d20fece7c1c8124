package watch

import (
	"github.com/go-dmap/dmap/dmap"
)

// Run is the part of *dmap.Run that a Collector reads.
type Run interface {
	ID() string
	Stats() dmap.Stats
	Times() dmap.Times
	InFlight(n int) []dmap.InFlightCall
	Done() <-chan struct{}
}

// begin is a run when it starts.
type begin struct {
	run     Run
	spec    dmap.RunSpec
	stats   dmap.Stats // the counts that earlier processes have made
	options bool       // spec is known
}

func beginOf(e dmap.RunStart) begin {
	b := begin{spec: e.RunSpec, stats: e.Stats, options: true}
	if e.Run != nil {
		b.run = e.Run
	}
	return b
}

// watched says how the mark of the start reads.
func (b *begin) text() string {
	switch {
	case b.spec.Redrive > 0:
		return "redrive " + Count(int64(b.spec.Redrive)) + " begins or resumes"
	case b.spec.Resumed:
		return "this process resumes the run"
	case b.options:
		return "the run begins"
	default:
		return "watching begins"
	}
}
