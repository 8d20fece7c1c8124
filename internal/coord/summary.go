package coord

import (
	"time"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
)

// Summary is what people are shown of a State. Its size follows the open leases.
type Summary struct {
	Era     int64          `json:"era"`
	Started time.Time      `json:"started,omitzero"` // by this coordinator; zero: it has not begun
	Before  journal.Counts `json:"before,omitzero"`  // of the run before this coordinator
	Counts  journal.Counts `json:"counts"`           // of the run, without the open leases
	Control Control        `json:"control"`
	Redrive int            `json:"redrive,omitempty"` // its number; 0: none
	Planned bool           `json:"planned,omitempty"` // the source has no pieces but those that are known
	Queued  int            `json:"queued,omitempty"`  // pieces that no lease has
	Open    []OpenLease    `json:"open,omitempty"`
	End     *End           `json:"end,omitempty"`
	// Failures are those of the run, without the leases of Open and of Finished.
	Failures lease.Groups   `json:"failures,omitempty"`
	Finished journal.Leases `json:"finished,omitempty"` // leases that no root record has taken in
	Spent    lease.Effort   `json:"spent,omitzero"`     // by attempts that have reported
}

// OpenLease is a lease whose counts are not in Summary.Counts: it has not returned, continues with
// its next attempt, or was lost when the run ended.
type OpenLease struct {
	Lease   int64 `json:"lease"`
	Attempt int   `json:"attempt"`        // the last one that was given
	Held    bool  `json:"held,omitempty"` // a worker has that attempt
	Lost    int   `json:"lost,omitempty"` // attempts
	// Reported are the counts of the last attempt that returned unfinished.
	Reported journal.Counts `json:"reported,omitzero"`
}

// Summary returns that of now.
func (s *State) Summary() Summary {
	out := Summary{
		Era: s.Era, Started: s.Started, Before: s.Before, Counts: s.Counts, Control: s.Control,
		Planned: s.Plan.Done, Queued: len(s.Queue), End: s.End, Failures: s.Failures, Spent: s.Spent,
	}
	out.Counts.Add(s.Before)
	if s.Redrive != nil {
		out.Redrive = s.Redrive.Number
	}
	for i := range s.Open {
		o := &s.Open[i]
		out.Open = append(out.Open, OpenLease{o.Lease, o.Attempt, o.Held, o.Lost, o.Reported})
	}
	var finished []journal.LeaseRange
	for _, f := range s.Finished {
		finished = append(finished, journal.LeaseRange{From: f.Lease, To: f.Lease})
		if f.Unreported { // the task that takes in its lanes will find its counts
			out.Open = append(out.Open, OpenLease{Lease: f.Lease, Attempt: f.Attempts})
		}
	}
	out.Finished = out.Finished.Add(finished...)
	return out
}
