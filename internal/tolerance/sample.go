package tolerance

// Sample has the counts of a run when its failures are judged.
type Sample struct {
	Failed  int64
	Settled int64 // failed or succeeded
	Held    int64 // wait for a decision
	Taken   int64 // read, and not skipped by the source
	ReadAll bool  // the source has no more items
	Ended   bool  // no other item is going to settle
	// Redrive counts if Again is set: the run is redriven.
	Redrive Redrive
	Again   bool
}

// Redrive has the items that take no part in a redrive.
type Redrive struct {
	Failed, Succeeded, Waiting int64
	Gone                       int64 // of the failed items, those that the source no longer has
}

// Judged returns the failures that count against the limits, the items that they are judged by, and
// whether these are all items. While the source is read these are the settled items, and all taken
// ones afterwards.
//
// While items of a redrive are unsettled they are the items of the redrive, and not all: the others
// may make the share of the failures small enough. In the end they are all items of the run.
func (s Sample) Judged() (failed, of int64, all bool) {
	switch out := s.Redrive; {
	case !s.Again && s.ReadAll:
		return s.Failed, s.Taken, s.Ended
	case !s.Again:
		return s.Failed, s.Settled, s.Ended
	case s.Ended && s.Settled+s.Held == s.Taken-out.Waiting:
		return s.Failed, s.Taken, true
	default:
		return s.Failed - out.Failed - out.Gone, s.Taken - out.Failed - out.Succeeded - out.Waiting, false
	}
}

// ExceededBy reports whether more items of s have failed than l allows.
func (l Limits) ExceededBy(s Sample) bool {
	failed, of, all := s.Judged()
	return failed > 0 && l.Exceeded(failed, of, all)
}
