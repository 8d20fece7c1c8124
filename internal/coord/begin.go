package coord

import (
	"errors"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
)

// Start says how a run begins.
type Start struct {
	Era     int64
	Now     time.Time
	Next    int64 // number of the first lease: no lane of the run has it, or a larger one
	Control Control
	// Pieces are leased as they are: the ranges of a listing. Planned says that Plan tasks return
	// pieces: of other sources, and the unsettled ranges of a run that resumes.
	Pieces   []dmap.Split
	Planned  bool
	MaxItems int64 // that remain; 0: no limit
	Before   journal.Counts
	Failures lease.Groups // those of Before
	Redrive  *Redrive     // nil: the run is not redriven
	Total    dmap.Budget  // of the run, with what Before has used
	Enough   int64        // successes that end the run; 0: no number does
}

// Begin returns the state of a run without leases.
func Begin(b Start) (*State, error) {
	err := b.Control.Validate()
	if len(b.Pieces) > maxPieces {
		err = errors.Join(err, errors.New("coord: too many pieces without a plan"))
	}
	if err != nil {
		return nil, err
	}
	s := &State{
		Era: b.Era, Started: b.Now.UTC().Round(0), Next: b.Next, Control: b.Control, MaxItems: b.MaxItems,
		Before: b.Before, Failures: known(b.Failures), Redrive: b.Redrive, Total: b.Total, Enough: b.Enough, Plan: Plan{Planned: b.Planned, Done: !b.Planned},
	}
	s.regrant()
	for _, p := range b.Pieces {
		s.Queue = append(s.Queue, Piece{Split: p, Part: 1 / float64(len(b.Pieces))})
	}
	return s, nil
}
