package watch

import (
	"github.com/go-dmap/dmap/dmap"
)

// begin is a run when it starts.
type begin struct {
	run     dmap.LiveRun // nil: the engine has not given it
	spec    dmap.RunSpec
	stats   dmap.Stats // the counts that earlier processes have made
	options bool       // spec is known
}

func beginOf(e dmap.RunStart) begin {
	return begin{run: e.Run, spec: e.RunSpec, stats: e.Stats, options: true}
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
