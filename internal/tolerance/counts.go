package tolerance

import "github.com/go-dmap/dmap/internal/journal"

// SampleOf is the sample of a run with the counts n, while it is read. again, of a redriven run,
// has the items that take no part in the redrive; its Gone are those from before the redrive. nil:
// the run is not redriven.
func SampleOf(n journal.Counts, again *Redrive) Sample {
	s := Sample{Failed: n.NowFailed(), Held: n.NowHeld(), Taken: n.Read - n.Skipped}
	s.Settled = n.Succeeded + s.Failed
	if again != nil {
		s.Redrive, s.Again = *again, true
		s.Redrive.Gone = n.Gone - again.Gone
	}
	return s
}
